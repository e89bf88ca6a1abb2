// Runs a task file here and by lm-evaluation-harness itself, prints where their samples and figures differ, and the ratio of
// their times. Exits with 1 where they differ.
//
//   npm run bench:harness -- TASK.yaml... [--model DIR] [--data-root DIR] [--limit N] [--rounds 1] [--batch 8] [--threads 2]
//
// DIR is a Hugging Face folder that both read, by default peers/models/smollm2-135m (peers/make_models.sh makes it), in float32.
// Paths in task files are relative to --data-root (default: the shared folder). Both sides stay loaded and take turns; a time is that of
// everything from reading the file to the figures: evaluate() here, simple_evaluate() there. Needs peers/setup.sh.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { loadModel, loadTasks, type OwnTasks, type TaskSample } from '../src/index.ts'
import { shared } from '../test/shared.ts'
import { type TimedEvaluation, timedEvaluation } from './evaluation.ts'
import {
  float32Tolerance,
  type HarnessEvaluation,
  HarnessRival,
  type HarnessSample,
  type Times,
} from './harness-rival.ts'
import { machine, table, timeCells, timeHeads } from './report.ts'
import { peers } from './rival.ts'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: `${peers}models/smollm2-135m` },
    'data-root': { type: 'string', default: shared('.') },
    limit: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    batch: { type: 'string', default: '8' },
    threads: { type: 'string', default: '2' },
  },
})
if (positionals.length === 0) throw new Error('name a task file')

const threads = Number(options.threads)
const limit = options.limit === undefined ? undefined : Number(options.limit)
const dataRoot = resolve(options['data-root'])

const head = machine()
const theirs = await HarnessRival.start(resolve(options.model), 'float32', threads, dataRoot)
const ours = await loadModel(resolve(options.model), { dtype: 'float32', threads })
const rows: string[][] = []
const figures: string[][] = []
for (const path of positionals) {
  const file = resolve(path)
  const own = await loadTasks([file], dataRoot)
  const times: { ours: Times; theirs: Times }[] = []
  let found: Difference[] = []
  let largest = 0
  let samples = 0
  for (let round = 0; round < Number(options.rounds); round++) {
    const mine = await timedEvaluation(ours, {
      ...{ tasks: own.tasks, groups: own.groups, dataDir: dataRoot },
      ...(limit !== undefined && { limit }),
    })
    const other = await theirs.evaluate({ file, limit: limit ?? null }, Number(options.batch))
    times.push({ ours: mine, theirs: other })
    if (round > 0) continue
    samples = mine.samples.length
    ;({ found, largest } = differences(own, mine, other))
    figures.push(...figureRows(mine, other))
  }
  for (const { task, doc, what, here, there } of found)
    console.log(`${task}, document ${doc}: ${what} is ${shown(here)} here, ${shown(there)} there`)
  if (found.length > 0) process.exitCode = 1
  const name = own.groups[0]?.name ?? own.tasks[0]!.task.name
  rows.push([
    ...[name, String(samples), String(new Set(found.map(({ task, doc }) => `${task} ${doc}`)).size)],
    ...[largest.toExponential(0), ...timeCells(times)],
  ])
  process.stderr.write(`${rows.at(-1)!.join('  ')}\n`)
}
console.log(`${head}\n`)
console.log(`float32, threads ${threads}, rounds ${options.rounds} (medians), batch ${options.batch}\n`)
console.log(table(['task', 'samples', 'differ', 'max diff', ...timeHeads], rows))
console.log(`\n${table(['task', 'figure', 'ours', 'harness'], figures)}`)
await ours.dispose()
await theirs.stop()

interface Difference {
  task: string
  doc: number
  what: string
  here: unknown
  there: unknown
}

/** Compares the samples of both sides. @returns also the largest difference of a log-likelihood */
function differences(
  { tasks }: OwnTasks,
  mine: TimedEvaluation,
  other: HarnessEvaluation,
): { found: Difference[]; largest: number } {
  const found: Difference[] = []
  let largest = 0
  for (const { task, form } of tasks) {
    const delimiter = form.kind === 'rank' ? form.delimiter : ''
    const own = new Map(
      mine.samples.filter(sample => sample.task === task.name).map(sample => [Number(sample.id), sample]),
    )
    for (const sample of other.tasks[task.name] ?? []) {
      const differ = (what: string, here: unknown, there: unknown) =>
        found.push({ task: task.name, doc: sample.doc, what, here, there })
      const record = own.get(sample.doc)
      if (!record) {
        differ('the document', 'not asked about', 'asked about')
        continue
      }
      for (const [what, here, there] of parts(record, sample, delimiter)) {
        if (Array.isArray(here) && typeof there === 'number') {
          const [value, tokens] = here as [number, number]
          const difference = Math.abs(value - there)
          largest = Math.max(largest, difference)
          if (!(difference <= float32Tolerance(tokens))) differ(what, value, there)
        } else if (here !== there) differ(what, here, there)
      }
    }
  }
  return { found, largest }
}

/** What must agree of a sample; a log-likelihood of ours has its number of tokens beside it. */
type Part = [what: string, here: unknown, there: unknown]

function parts(
  record: TaskSample,
  { arguments: asked, answers, metrics, filter }: HarnessSample,
  delimiter: string,
): Part[] {
  const all: Part[] = []
  if (record.kind === 'rank')
    for (const [i, [context, continuation]] of asked.entries()) {
      const [sum, isGreedy] = answers[i] as [number, boolean]
      all.push(
        ['the prompt', record.prompt, context],
        [`choice ${i}`, delimiter + record.choices[i]!, continuation],
        [`the log-likelihood of choice ${i}`, [record.logLikelihoods[i], record.tokens[i]], sum],
        [`whether choice ${i} is greedy`, record.isGreedy[i], isGreedy],
      )
    }
  else if (record.kind === 'generate')
    all.push(['the prompt', record.prompt, asked[0]![0]], ['the answer', record.generated, answers[0]])
  else
    all.push(
      ['the text', record.prompt, asked[0]![0]],
      ['the log-likelihood', [record.logLikelihood, record.tokens], answers[0]],
    )
  // Metrics that are made of a log-likelihood itself are no scores that must be equal.
  for (const [name, value] of Object.entries(metrics))
    if (typeof value === 'number' && (name.startsWith('acc') || name === 'exact_match'))
      all.push([name, record.scores[`${name},${filter}`] ?? record.scores[name], value])
  return all
}

/** The figures of tasks and groups that both sides have. */
function figureRows({ results }: TimedEvaluation, other: HarnessEvaluation): string[][] {
  const own = new Map<string, Record<string, { value: number }>>([
    ...Object.entries(results.tasks).map(([name, { metrics }]) => [name, metrics] as const),
    ...Object.entries(results.groups ?? {}).map(([name, { figures }]) => [name, figures] as const),
  ])
  return [...own].flatMap(([name, metrics]) =>
    Object.entries(metrics).flatMap(([metric, { value }]) => {
      const there = other.results[name]?.[metric] ?? other.results[name]?.[`${metric},none`]
      return typeof there === 'number' ? [[name, metric, value.toFixed(6), there.toFixed(6)]] : []
    }),
  )
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? 'undefined'
}
