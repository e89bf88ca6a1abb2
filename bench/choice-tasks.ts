// The seven choice tasks on SmolLM2-135M against lm-evaluation-harness: the same requests, first to last, start-up apart.
//
//   npm run bench:tasks -- [--limit N] [--rounds N] [--dtype float32] [--batches 4,8,16,32] [--tasks copa,rte]
//
// Both sides stay loaded; each task is run by one, then the other, round after round, and the log-likelihoods of every
// round are compared before any time is printed. The harness gets the batch size of --batches that is fastest on a
// task's first items. Needs peers/setup.sh and peers/make_models.sh.
import { parseArgs } from 'node:util'
import { loadModel, type Model, type ScoreRequest } from '../src/index.ts'
import type { DType } from '../src/native/types.ts'
import { shared } from '../test/shared.ts'
import { float32Tolerance, HarnessRival, type Pair, type Question, triedItems } from './harness-rival.ts'
import { measurePeaks } from './peaks.ts'
import { machine, median, table } from './report.ts'
import { peers } from './rival.ts'
import { headGflop, layersGflop, shapes } from './shapes.ts'

const { values: options } = parseArgs({
  options: {
    limit: { type: 'string' },
    rounds: { type: 'string', default: '2' },
    dtype: { type: 'string', default: 'float32' },
    batches: { type: 'string', default: '4,8,16,32' },
    tasks: { type: 'string', default: 'copa,rte,wic,sst2,winogrande,openbookqa,mnli' },
  },
})

const threads = 2
/** MNLI is cut to its first rows on both sides; the other tasks are whole. */
const mnliLimit = 1500
/** Two roundings to 16 bits are held to a mean difference a token over the task. */
const roundedTolerance = 0.1

/** A continuation's log-likelihood and tokens. */
interface Answer {
  sum: number
  tokens: number
}

const dtype = options.dtype as DType
const head = machine()
const peaks = await measurePeaks(threads)
const theirs = await HarnessRival.start(`${peers}models/smollm2-135m`, dtype, threads, shared('.'))
const batches = options.batches.split(',').map(Number)
const ours = await loadModel(shared('models/smollm2-135m'), { dtype, threads })

const rows: string[][] = []
const totals: { ours: number; theirs: number }[] = []
for (const task of options.tasks.split(',')) {
  const limit = Number(options.limit ?? (task === 'mnli' ? mnliLimit : 0)) || null
  const question: Question = { file: `golden/lm-eval/tasks/card_${task}.yaml`, limit }
  const pairs = await theirs.requests(question)
  const requests = group(pairs)
  // Looking for the batch size and scoring the first items warms both sides up.
  const batch = await theirs.bestBatch(question, batches)
  await ours.score(requests.slice(0, triedItems))
  const times: { ours: number; theirs: number }[] = []
  let tokens = 0
  let difference = 0
  for (let round = 0; round < Number(options.rounds); round++) {
    const mine = await scoreOurs(ours, requests)
    const other = await theirs.score(question, batch)
    difference = Math.max(difference, compare(task, pairs, mine.answers, other.sums))
    tokens = mine.tokens
    times.push({ ours: mine.seconds, theirs: other.seconds })
    totals[round] = {
      ours: (totals[round]?.ours ?? 0) + mine.seconds,
      theirs: (totals[round]?.theirs ?? 0) + other.seconds,
    }
  }
  rows.push([
    task,
    String(requests.length),
    ...timeCells(times),
    String(batch),
    ...workCells(tokens, requests, times),
    difference.toExponential(0),
  ])
  process.stderr.write(`${rows.at(-1)!.join('  ')}\n`)
}
rows.push(['all', '', ...timeCells(totals), '', '', '', '', ''])

console.log(`${head}\n${peaks.line}\n`)
console.log(
  `${dtype}, ${threads} threads, ${options.rounds} rounds (medians), backend ${ours.info.backend}\n`,
)
console.log(
  table(
    [
      'task',
      'items',
      'ours s',
      'harness s',
      'ratio',
      'batch',
      'tokens run',
      'tokens/s',
      'share of peak',
      'max diff',
    ],
    rows,
  ),
)
ours.dispose()
await theirs.stop()

/** The harness sends each choice as a request of its own; neighbours with one context are one request of ours. */
function group(pairs: readonly Pair[]): ScoreRequest[] {
  const requests: { prompt: string; continuations: string[] }[] = []
  for (const [prompt, continuation] of pairs) {
    const last = requests.at(-1)
    if (last?.prompt === prompt) last.continuations.push(continuation)
    else requests.push({ prompt, continuations: [continuation] })
  }
  return requests
}

async function scoreOurs(model: Model, requests: ScoreRequest[]) {
  let tokens = 0
  const start = performance.now()
  const results = await model.score(requests, {
    onProgress: progress => {
      tokens = progress.tokensDone
    },
  })
  const seconds = (performance.now() - start) / 1000
  const answers = results.flatMap(r =>
    r.continuations.map((c): Answer => ({ sum: c.logLikelihood, tokens: c.tokens.length })),
  )
  return { seconds, tokens, answers }
}

/** Throws where the two sides disagree; returns the largest difference. */
function compare(
  task: string,
  pairs: readonly Pair[],
  mine: readonly Answer[],
  other: readonly number[],
): number {
  const differences = mine.map(({ sum }, i) => Math.abs(sum - other[i]!))
  const bad =
    dtype === 'float32'
      ? mine.findIndex(({ tokens }, i) => !(differences[i]! <= float32Tolerance(tokens)))
      : -1
  if (bad >= 0) {
    throw new Error(
      `${task}, request ${bad}: ${JSON.stringify(pairs[bad]![1])} has ${mine[bad]!.sum} here, ${other[bad]} in the harness`,
    )
  }
  const perToken = sum(differences) / sum(mine.map(answer => answer.tokens))
  if (!(perToken <= roundedTolerance)) throw new Error(`${task}: ${perToken} apart a token on average`)
  return Math.max(...differences)
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

function timeCells(times: readonly { ours: number; theirs: number }[]): string[] {
  return [
    median(times.map(t => t.ours)).toFixed(2),
    median(times.map(t => t.theirs)).toFixed(2),
    `${median(times.map(t => t.theirs / t.ours)).toFixed(2)}x`,
  ]
}

function workCells(
  tokens: number,
  requests: readonly ScoreRequest[],
  times: readonly { ours: number }[],
): string[] {
  const seconds = median(times.map(t => t.ours))
  // At least one head row a request; continuations' inner rows are left out, so the share is a lower bound.
  const gflop = tokens * layersGflop(shapes['135M']!) + requests.length * headGflop(shapes['135M']!)
  const share = gflop / seconds / peaks.gflops[dtype]
  return [String(tokens), (tokens / seconds).toFixed(0), `${(100 * share).toFixed(0)} %`]
}
