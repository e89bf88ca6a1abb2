// Run by checkpoint-memory.test.ts: opens a checkpoint and prints how far the process's memory rose, and what came of it.
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { memory } from './process-memory.ts'

const before = memory('VmRSS')
const error = await openCheckpoint(process.argv[2]!).then(
  () => undefined,
  ({ code, message }) => ({ code, message }),
)
console.log(JSON.stringify({ error, peakBytes: memory('VmHWM') - before }))
