// Run by model-load.test.ts: loads a model and prints how far the process's memory rose meanwhile.
import { type DType, loadModel } from '../src/index.ts'
import { memory } from './process-memory.ts'

const [path, dtype] = process.argv.slice(2) as [string, DType]

const before = memory('VmRSS')
await using model = await loadModel(path, { dtype })
const { weightBytes } = model.info
console.log(JSON.stringify({ weightBytes, peakBytes: memory('VmHWM') - before }))
