// Run by out-of-memory.test.ts: asks for results that are larger than what the process may still take, then for small
// ones. Prints what came of each.
//   little-memory.ts FOLDER
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { loadAddon } from '../../src/native/addon.ts'
import { childLimit } from '../child-limit.ts'
import { largeVocabulary, newControl, randomModel, randomPack } from './random-model.ts'

const { config, tensors } = randomModel(process.argv[2]!, largeVocabulary)
const options = { dtype: 'float32', device: 'cpu', threads: 1 } as const
const model = await loadAddon().load(config, tensors, options, newControl())
const pack = randomPack(config, 1, 4)
const before = await model.score(pack, newControl())

const megabytes = 200
const held = 1024 * Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1])
execFileSync('prlimit', [`--pid=${process.pid}`, `--as=${held + megabytes * 2 ** 20}`], childLimit)

const ids = Int32Array.from({ length: 500 }, (_, i) => i)
const all = { ...randomPack(config, 1, 300), topK: config.vocabSize }
const outcome = (run: () => Promise<unknown>) =>
  run().then(
    () => 'a result',
    ({ code, message }) => `${code} ${message}`,
  )
console.log(await outcome(() => model.logits(ids, newControl())))
console.log(await outcome(async () => model.score(all, newControl())))
const after = await model.score(pack, newControl())
console.log(
  after.logProbs.every((logProb, i) => Object.is(logProb, before.logProbs[i])) ? 'same bits' : 'other bits',
)
