// The seven choice tasks on SmolLM2-135M against lm-evaluation-harness: the same requests, first to last, start-up apart.
//
//   npm run bench:tasks -- [--limit N] [--rounds N] [--dtype float32] [--batch N] [--tasks copa,rte]
//
// Both sides stay loaded; each task is run by one, then the other, round after round, and the log-likelihoods of every
// round are compared before any time is printed. Needs peers/setup.sh and peers/make_models.sh.
import { parseArgs } from 'node:util'
import type { DType } from '../src/binding.ts'
import { loadModel, type Model, type ScoreRequest } from '../src/index.ts'
import { shared } from '../test/shared.ts'
import { measurePeaks } from './peaks.ts'
import { machine, median, table } from './report.ts'
import { peers, python, Rival } from './rival.ts'
import { headGflop, layersGflop, shapes } from './shapes.ts'

const { values: options } = parseArgs({
  options: {
    limit: { type: 'string' },
    rounds: { type: 'string', default: '2' },
    dtype: { type: 'string', default: 'float32' },
    batch: { type: 'string', default: '8' },
    tasks: { type: 'string', default: 'copa,rte,wic,sst2,winogrande,openbookqa,mnli' },
  },
})

const threads = 2
/** MNLI is cut to its first rows on both sides; the other tasks are whole. */
const mnliLimit = 1500
/** Largest difference of two log-likelihoods: float32 as golden/README.md has it, and two roundings of bfloat16. */
const tolerance = options.dtype === 'float32' ? 2e-4 : 0.5

type Pair = [context: string, continuation: string]
interface Run {
  seconds: number
  logLikelihoods: number[]
}

const dtype = options.dtype as DType
const head = machine()
const peaks = measurePeaks()
const theirs = await Rival.start(
  'lm-evaluation-harness',
  python,
  [`${peers}harness.py`, `${peers}models/smollm2-135m`, dtype, String(threads)],
  shared('.'),
)
const ours = await loadModel(shared('models/smollm2-135m'), { dtype, threads })

const rows: string[][] = []
const totals: { ours: number; theirs: number }[] = []
for (const task of options.tasks.split(',')) {
  const limit = Number(options.limit ?? (task === 'mnli' ? mnliLimit : 0)) || null
  const question = { task: `card_${task}`, limit }
  const { requests: pairs } = await theirs.ask<{ requests: Pair[] }>({ op: 'requests', ...question })
  const requests = group(pairs)
  const times: { ours: number; theirs: number }[] = []
  let tokens = 0
  let difference = 0
  for (let round = 0; round < Number(options.rounds); round++) {
    const mine = await scoreOurs(ours, requests)
    const other = await scoreTheirs(question)
    difference = Math.max(difference, compare(task, pairs, mine.logLikelihoods, other.logLikelihoods))
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
    ...workCells(tokens, requests, times),
    difference.toExponential(0),
  ])
  process.stderr.write(`${rows.at(-1)!.join('  ')}\n`)
}
rows.push(['all', '', ...timeCells(totals), '', '', '', ''])

console.log(`${head}\n${peaks.line}\n`)
console.log(
  `${dtype}, ${threads} threads, ${options.rounds} rounds (medians), harness batch ${options.batch}, backend ${ours.info.backend}\n`,
)
console.log(
  table(
    ['task', 'items', 'ours s', 'harness s', 'ratio', 'tokens run', 'tokens/s', 'share of peak', 'max diff'],
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

async function scoreOurs(model: Model, requests: ScoreRequest[]): Promise<Run & { tokens: number }> {
  let tokens = 0
  const start = performance.now()
  const results = await model.score(requests, {
    onProgress: progress => {
      tokens = progress.tokensDone
    },
  })
  const seconds = (performance.now() - start) / 1000
  return { seconds, tokens, logLikelihoods: results.flatMap(r => r.continuations.map(c => c.logLikelihood)) }
}

async function scoreTheirs(question: object): Promise<Run> {
  const { seconds, answers } = await theirs.ask<{ seconds: number; answers: [number, boolean][] }>({
    op: 'score',
    batch: Number(options.batch),
    ...question,
  })
  return { seconds, logLikelihoods: answers.map(([sum]) => sum) }
}

function compare(
  task: string,
  pairs: readonly Pair[],
  mine: readonly number[],
  other: readonly number[],
): number {
  let worst = 0
  for (const [i, pair] of pairs.entries()) {
    const difference = Math.abs(mine[i]! - other[i]!)
    if (!(difference <= tolerance)) {
      throw new Error(
        `${task}: log-likelihood of ${JSON.stringify(pair[1])} is ${mine[i]} here and ${other[i]} in the harness (request ${i}, tolerance ${tolerance})`,
      )
    }
    worst = Math.max(worst, difference)
  }
  return worst
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
