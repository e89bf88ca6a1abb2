// Run by model-load.test.ts: loads a model and prints how far the process's memory rose meanwhile.
import { readFileSync } from 'node:fs'
import { type DType, loadModel } from '../src/index.ts'

const [path, dtype] = process.argv.slice(2) as [string, DType]

/** 'VmRSS' is what the process has now, 'VmHWM' the most it ever had, in bytes. */
function memory(field: 'VmRSS' | 'VmHWM'): number {
  const [, kibibytes] = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))!
  return Number(kibibytes) * 1024
}

const before = memory('VmRSS')
await using model = await loadModel(path, { dtype })
const { weightBytes } = model.info
console.log(JSON.stringify({ weightBytes, peakBytes: memory('VmHWM') - before }))
