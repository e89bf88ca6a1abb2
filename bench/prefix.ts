// What a prefix that is kept saves, on SmolLM2-135M: calls of one request each, whose prompts begin with the same worked
// examples, before and after they are kept. The two take turns.
//
//   npm run bench:prefix -- [--threads 2] [--dtype float32] [--calls 20] [--rounds 3]
import { strict as assert } from 'node:assert'
import { parseArgs } from 'node:util'
import { loadModel, type ScoreRequest } from '../src/index.ts'
import type { DType } from '../src/native/types.ts'
import { shared } from '../test/shared.ts'
import { machine, median, table } from './report.ts'

const { values: options } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    dtype: { type: 'string', default: 'float32' },
    calls: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '3' },
  },
})

const examples = Array.from(
  { length: 30 },
  (_, i) =>
    `Review: the film of the year ${1970 + i} is ${i % 2 ? 'a delight' : 'a bore'}. Is the review positive? ${i % 2 ? 'Yes' : 'No'}\n`,
).join('')
const requests: ScoreRequest[] = Array.from({ length: Number(options.calls) }, (_, i) => ({
  prompt: `${examples}Review: number ${i} on my list was worth the evening. Is the review positive?`,
  continuations: [' Yes', ' No'],
}))

const dtype = options.dtype as DType
await using model = await loadModel(shared('models/smollm2-135m/model-q4_1.gguf'), {
  ...{ dtype, threads: Number(options.threads), device: 'cpu' },
})

/** Milliseconds of each call, one after the other, and what they gave. */
async function run() {
  const times: number[] = []
  const results = []
  for (const request of requests) {
    const start = performance.now()
    results.push(...(await model.score([request])))
    times.push(performance.now() - start)
  }
  return { times, results }
}

const times: Record<'whole' | 'kept' | 'first', number[]> = { whole: [], kept: [], first: [] }
let tokens = 0
for (let round = 0; round < Number(options.rounds); round++) {
  const whole = await run()
  const start = performance.now()
  using prefix = await model.prefix(examples)
  times.first.push(performance.now() - start)
  const kept = await run()
  assert.deepEqual(kept.results, whole.results)
  tokens = prefix.tokens
  times.whole.push(...whole.times)
  times.kept.push(...kept.times)
}
const [whole, kept, first] = [times.whole, times.kept, times.first].map(median) as [number, number, number]
console.log(
  `# A prefix of ${tokens} tokens, SmolLM2-135M, ${dtype}, ${options.threads} threads\n\n${machine()}\n`,
)
console.log(
  table(
    ['a call of one request', 'median'],
    [
      ['the whole prompt', `${whole.toFixed(0)} ms`],
      ['after the prefix that is kept', `${kept.toFixed(0)} ms, ${(whole / kept).toFixed(1)} times as fast`],
      ['model.prefix(), once', `${first.toFixed(0)} ms`],
    ],
  ),
)
