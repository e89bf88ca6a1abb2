// Calls that overlap, on SmolLM2-135M: how long small ones wait beside a large one, what the size of a pack costs, and
// what many generations at once cost beside one call of as many prompts.
//
//   npm run bench:overlap -- [--threads 2] [--dtype float32] [--pack-tokens 256,512,1024] [--calls 100] [--rounds 3]
//
// A small call scores two tokens, again and again, beside score() of 10,000 requests, which is aborted in the end; a token is
// one of a generation beside the same. Throughput is of the large call alone: sizes take turns.
import { parseArgs } from 'node:util'
import type { GenerateOptions, Model, ScoreRequest } from '../src/index.ts'
import { openModel } from '../src/model/load.ts'
import type { DType } from '../src/native/types.ts'
import { shared } from '../test/shared.ts'
import { timer } from './harness-rival.ts'
import { machine, median, table } from './report.ts'

const { values: options } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    dtype: { type: 'string', default: 'float32' },
    'pack-tokens': { type: 'string', default: '256,512,1024' },
    calls: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '3' },
  },
})

const dtype = options.dtype as DType
const threads = Number(options.threads)
const rounds = Number(options.rounds)
const sizes = options['pack-tokens'].split(',').map(Number)
const large: ScoreRequest[] = Array.from({ length: 10_000 }, (_, i) => ({
  prompt: `Question ${i}: what does a letter of the year ${1700 + (i % 300)} to number ${i} of the street say of it?`,
  continuations: [' Nothing at all', ' That it was sold for a hundred pounds'],
}))
const some = large.slice(0, 500)
const greedy: GenerateOptions = { maxTokens: 20, stopIds: [] }

console.log(`# Calls that overlap, SmolLM2-135M, ${dtype}, ${threads} threads\n\n${machine()}\n`)
const models = new Map<number, Model>()
for (const packTokens of sizes)
  models.set(
    packTokens,
    await openModel(
      shared('models/smollm2-135m'),
      { dtype, threads, device: 'cpu' },
      { share: true, packTokens },
    ),
  )
const throughput = new Map(sizes.map(size => [size, [] as number[]]))
for (let round = 0; round < rounds; round++)
  for (const size of sizes) throughput.get(size)!.push(await tokensPerSecond(models.get(size)!))
const rows = []
for (const size of sizes) {
  const small = await smallTimes(models.get(size)!)
  const tokens = await tokenTimes(models.get(size)!)
  const speed = median(throughput.get(size)!)
  const best = Math.max(...sizes.map(other => median(throughput.get(other)!)))
  rows.push([
    `${size}`,
    speed.toFixed(0),
    `${((100 * speed) / best).toFixed(1)} %`,
    ...spread(small),
    ...spread(tokens),
  ])
}
const heads = ['median ms', 'p99 ms', 'most ms']
console.log(
  table(
    [
      ...['pack', 'tokens/s', 'of the best'],
      ...heads.map(head => `small score, ${head}`),
      ...heads.map(head => `token, ${head}`),
    ],
    rows,
  ),
)
const [model] = models.values()
const ratios: number[] = []
const prompts = Array.from({ length: 8 }, (_, i) => `Number ${i} is a good number because it`)
for (let round = 0; round < rounds; round++) {
  const one = timer()
  await model!.generate(prompts, greedy)
  const { cpuSeconds } = one()
  const many = timer()
  await Promise.all(prompts.map(prompt => model!.generate(prompt, greedy)))
  ratios.push(many().cpuSeconds / cpuSeconds)
}
console.log(
  `\neight generations of 20 tokens at once take ${median(ratios).toFixed(2)} of one call of eight prompts`,
)
for (const each of models.values()) await each.dispose()

async function tokensPerSecond(model: Model): Promise<number> {
  let speed = 0
  await model.score(some, { onProgress: progress => (speed = progress.tokensPerSecond) })
  return speed
}

/** Milliseconds of small calls, one after the other, while a large one runs. */
async function smallTimes(model: Model): Promise<number[]> {
  return whileLarge(model, async () => {
    const times: number[] = []
    for (let i = 0; i < Number(options.calls); i++) {
      const start = performance.now()
      await model.score([{ prompt: 'A', continuations: [' b'] }])
      times.push(performance.now() - start)
    }
    return times
  })
}

/** Milliseconds from a token of a generation to the next. */
async function tokenTimes(model: Model): Promise<number[]> {
  return whileLarge(model, async () => {
    const times: number[] = []
    let last = performance.now()
    const onProgress = () => {
      times.push(performance.now() - last)
      last = performance.now()
    }
    await model.generate('Once upon a time', { ...greedy, maxTokens: Number(options.calls), onProgress })
    return times
  })
}

async function whileLarge(model: Model, run: () => Promise<number[]>): Promise<number[]> {
  const abort = new AbortController()
  let begun = () => {}
  const running = new Promise<void>(resolve => (begun = resolve))
  const call = model.score(large, { signal: abort.signal, onProgress: begun })
  const ended = call.catch(error => {
    if (!abort.signal.aborted) throw error
  })
  await running
  const times = await run()
  abort.abort()
  await ended
  return times
}

function spread(times: readonly number[]): string[] {
  const sorted = times.toSorted((a, b) => a - b)
  const p99 = sorted[Math.ceil(0.99 * sorted.length) - 1]!
  return [median(sorted), p99, sorted.at(-1)!].map(time => time.toFixed(0))
}
