// Prefill and scoring at three shapes in each dtype, beside transformers and node-llama-cpp in the same run.
//
//   npm run bench:scoring -- [--shapes 135M,110M,1.1B] [--dtypes float32,bfloat16,float16] [--rounds N] [--alone]
//
// Prefill: one sequence of 512 ids, the head on its last row. Scoring: 8 prompts of 96 ids with 4 continuations of 4;
// transformers gets them as 32 sequences in batches of 16, the head on the last 4 rows, as one writes it by hand.
// All stay loaded and take turns. --alone leaves the peers out. Weights are random (peers/make_models.sh).
import { parseArgs } from 'node:util'
import { loadModel, type Model, type ScoreRequest } from '../src/index.ts'
import type { DType } from '../src/native/types.ts'
import { measurePeaks } from './peaks.ts'
import { machine, median, table } from './report.ts'
import { peers, python, Rival } from './rival.ts'
import { attentionGflop, headGflop, layersGflop, type Shape, shapes } from './shapes.ts'

const { values: options } = parseArgs({
  options: {
    shapes: { type: 'string', default: '135M,110M,1.1B' },
    dtypes: { type: 'string', default: 'float32,bfloat16,float16' },
    rounds: { type: 'string', default: '5' },
    alone: { type: 'boolean', default: false },
  },
})

const threads = 2
const prefillTokens = 512
const prompts = 8
const promptTokens = 96
const continuations = 4
const continuationTokens = 4
const batch = 16

/** The seconds of each round, by runner and job. */
type Times = Map<string, { prefill: number[]; scoring: number[] }>

const head = machine()
const peaks = await measurePeaks(threads)
const rows: string[][] = []
for (const name of options.shapes.split(',')) {
  const shape = shapes[name]
  if (shape === undefined)
    throw new Error(`--shapes: no shape ${name}; there are ${Object.keys(shapes).join(', ')}`)
  for (const dtype of options.dtypes.split(',') as DType[]) {
    const times = await timeAll(name, shape, dtype)
    for (const [runner, { prefill, scoring }] of times) {
      const row = [name, dtype, runner, ...prefillCells(shape, dtype, prefill), ...scoringCells(scoring)]
      process.stderr.write(`${row.join('  ')}\n`)
      rows.push(row)
    }
  }
}
console.log(`${head}\n${peaks.line}\n`)
console.log(
  table(
    [
      'shape',
      'dtype',
      'runner',
      'prefill tokens/s',
      'GFLOP/s',
      'share of peak',
      'spread',
      'scored prompts/s',
    ],
    rows,
  ),
)

async function timeAll(name: string, shape: Shape, dtype: DType): Promise<Times> {
  const folder = `${peers}models/${name}`
  const model = await loadModel(folder, { dtype, threads })
  const rivals = options.alone ? undefined : await startRivals(folder, dtype)
  const times: Times = new Map()
  // The first round warms caches and allocators up and is not counted.
  for (let round = -1; round < Number(options.rounds); round++) {
    const note = (runner: string, job: 'prefill' | 'scoring', seconds: number) => {
      if (!times.has(runner)) times.set(runner, { prefill: [], scoring: [] })
      if (round >= 0) times.get(runner)![job].push(seconds)
    }
    note('mt-llama', 'prefill', await timeOurs(model, prefillRequest(shape)))
    note('mt-llama', 'scoring', await timeOurs(model, scoringRequests(shape)))
    if (rivals === undefined) continue
    const prefill = { batches: 1, sequences: 1, tokens: prefillTokens, keep: 1 }
    const scoring = {
      batches: (prompts * continuations) / batch,
      sequences: batch,
      tokens: promptTokens + continuationTokens - 1,
      keep: continuationTokens,
    }
    note('transformers', 'prefill', await timeTheirs(rivals.transformers, prefill))
    note('transformers', 'scoring', await timeTheirs(rivals.transformers, scoring))
    note('node-llama-cpp', 'prefill', await timeTheirs(rivals.llamaCpp, prefill))
  }
  model.dispose()
  await rivals?.transformers.stop()
  await rivals?.llamaCpp.stop()
  return times
}

async function startRivals(folder: string, dtype: DType) {
  return {
    transformers: await Rival.start(
      'transformers',
      python,
      [`${peers}forward.py`, folder, dtype, String(threads)],
      '.',
    ),
    llamaCpp: await Rival.start(
      'node-llama-cpp',
      process.execPath,
      [`${peers}llama-cpp.js`, `${folder}/${dtype}.gguf`, String(threads)],
      '.',
    ),
  }
}

async function timeOurs(model: Model, requests: ScoreRequest[]): Promise<number> {
  const start = performance.now()
  await model.score(requests)
  return (performance.now() - start) / 1000
}

async function timeTheirs(rival: Rival, question: object): Promise<number> {
  return (await rival.ask<{ seconds: number }>(question)).seconds
}

function prefillRequest(shape: Shape): ScoreRequest[] {
  return [{ prompt: ids(shape, 0, prefillTokens), continuations: [[300]] }]
}

function scoringRequests(shape: Shape): ScoreRequest[] {
  return Array.from({ length: prompts }, (_, i) => ({
    prompt: ids(shape, 1000 * i, promptTokens),
    continuations: Array.from({ length: continuations }, (_, j) =>
      ids(shape, 1000 * i + 200 * (j + 1), continuationTokens),
    ),
  }))
}

/** Makes `count` ids that look random and are no special tokens. */
function ids(shape: Shape, start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => 300 + (((start + i) * 7919) % (shape.vocab_size - 300)))
}

function prefillCells(shape: Shape, dtype: DType, seconds: readonly number[]): string[] {
  const middle = median(seconds)
  const gflop =
    prefillTokens * (layersGflop(shape) + attentionGflop(shape, (prefillTokens + 1) / 2)) + headGflop(shape)
  const spread = (Math.max(...seconds) - Math.min(...seconds)) / middle
  return [
    (prefillTokens / middle).toFixed(0),
    (gflop / middle).toFixed(0),
    `${((100 * gflop) / middle / peaks.gflops[dtype]).toFixed(0)} %`,
    `${(100 * spread).toFixed(0)} %`,
  ]
}

function scoringCells(seconds: readonly number[]): string[] {
  return [seconds.length === 0 ? '-' : (prompts / median(seconds)).toFixed(2)]
}
