// Makes the report of a training run, train-report.html: curves, what it was trained on, and the tasks before and after.
import { basename, join, resolve } from 'node:path'
import { MtLlamaError } from '../errors.ts'
import { compareRuns } from '../evaluation/compare/compare.ts'
import { readRun, type SavedRun } from '../evaluation/compare/read-run.ts'
import { resultTables } from '../evaluation/result-tables.ts'
import { openOwnFile, readOwnFile, replaceFile, writing } from '../files/output.ts'
import { printedPercent } from '../metrics/percent.ts'
import { sum } from '../metrics/sum.ts'
import { metricHead } from '../metrics/titles.ts'
import { bar, curves, type Point } from '../report/curves.ts'
import { type Html, html } from '../report/html.ts'
import { group, staticPage } from '../report/page.ts'
import { differenceTable, runSection, scrolled } from '../report/tables.ts'
import type { TrainEvaluation } from './evaluations.ts'
import { stepName } from './train-folder.ts'
import { type LogLine, logFile, logUpTo, trainFolder } from './train-log.ts'

/** What a line of the log may hold. */
type Line = LogLine & {
  loss?: number
  norm?: number
  learningRate?: number
  tokens?: number
  seconds?: number
  skipped?: Record<string, number>
  taskTokens?: Record<string, number>
  validationLoss?: number
  evaluation?: TrainEvaluation
  settings?: Record<string, unknown>
  evaluationSets?: Record<string, number>
  steps?: number
  parameters?: number
  trainedParameters?: number
  backend?: string
}

/** Points of a curve: of more steps, each is a mean. */
const maxPoints = 1000
/** Tasks that have a row of their own. */
const maxTasks = 40

/** Whether a folder is that of a training run. */
export async function isTrainRun(path: string): Promise<boolean> {
  await using log = await openOwnFile(logFile(path)).catch(() => undefined)
  return log !== undefined
}

/**
 * Reads the log and the evaluations of a run, and writes its report.
 * @param path the out folder of the run
 * @throws DATA_NOT_FOUND where there is no log; DATA_INVALID of evaluations that cannot be read; OUTPUT
 */
export async function writeTrainReport(
  path: string,
  file = join(path, 'train-report.html'),
): Promise<number> {
  const log = logFile(path)
  const content = await writing(log, trainFolder, () => readOwnFile(log))
  const lines = content ? (logUpTo(content, Number.POSITIVE_INFINITY).lines as Line[]) : []
  if (lines.length === 0)
    throw new MtLlamaError(
      'DATA_NOT_FOUND',
      `${log}: no log of a training run. Name the out folder of mt-llama train.`,
    )
  const text = await page(path, lines)
  await writing(file, trainFolder, () => replaceFile(file, text))
  return Buffer.byteLength(text)
}

async function page(path: string, lines: readonly Line[]): Promise<string> {
  const title = `Training of ${basename(resolve(path))}`
  const evaluations = lines.flatMap(({ evaluation }) => evaluation ?? [])
  const steps = lines.filter(({ loss }) => loss !== undefined)
  const body = html`<body>
<header><h1>${title}</h1></header>
<main>
<section id="run"><h2>Run</h2>${summary(lines, steps)}</section>
<section id="curves"><h2>Curves</h2>${curveParts(lines, steps)}</section>
${evaluations.length > 0 && (await evaluationSection(path, evaluations))}
<section id="data"><h2>Data</h2>${dataParts(lines, steps)}</section>
<section id="settings"><h2>Settings</h2>${settingsTable(lines)}</section>
</main>
</body>
`
  return staticPage(title, body)
}

function summary(lines: readonly Line[], steps: readonly Line[]): Html {
  const start: Partial<Line> =
    lines.findLast(line => line.steps !== undefined && line.loss === undefined) ?? {}
  const evaluated = sum(lines.map(({ evaluation }) => evaluation?.seconds ?? 0))
  const facts: [string, string][] = [
    ['Model', String(start.settings?.model ?? '-')],
    ['Steps', `${steps.at(-1)?.step ?? 0} of ${start.steps ?? '-'}`],
    ['Parameters', `${start.parameters ?? '-'}, ${start.trainedParameters ?? '-'} of them trained`],
    ['Tokens', sum(steps.map(({ tokens = 0 }) => tokens)).toLocaleString('en')],
    ['Processor', start.backend ?? '-'],
    ['Training', duration(sum(steps.map(({ seconds = 0 }) => seconds)))],
    ['Evaluations', duration(evaluated)],
  ]
  return html`<dl>${facts.map(([term, text]) => html`<div><dt>${term}</dt><dd>${text}</dd></div>`)}</dl>`
}

function curveParts(lines: readonly Line[], steps: readonly Line[]): Html {
  const of = (from: readonly Line[], field: 'loss' | 'norm' | 'learningRate' | 'validationLoss'): Point[] =>
    from.flatMap((line): Point[] => (typeof line[field] === 'number' ? [[line.step, line[field]]] : []))
  const loss = of(steps, 'loss')
  return html`${[
    curves('Loss', [
      { name: 'loss, smoothed', points: thinned(smoothed(loss)) },
      { name: 'loss of each step', points: thinned(loss), isRaw: true },
      { name: 'validation loss', points: thinned(of(lines, 'validationLoss')) },
    ]),
    curves('Norm of the gradients', [{ name: 'norm', points: thinned(of(steps, 'norm')) }]),
    curves('Learning rate', [{ name: 'learning rate', points: thinned(of(steps, 'learningRate')) }]),
  ].map(part => part ?? html``)}`
}

/** An exponential mean over some 2 % of the steps, each weight being known: the first values are no worse than the others. */
function smoothed(points: readonly Point[]): Point[] {
  const keep = 1 - 1 / Math.max(points.length / 50, 1)
  let [total, weight] = [0, 0]
  return points.map(([step, value]) => {
    total = keep * total + value
    weight = keep * weight + 1
    return [step, total / weight]
  })
}

function thinned(points: readonly Point[]): Point[] {
  const size = Math.ceil(points.length / maxPoints)
  if (size <= 1) return [...points]
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const some = points.slice(i * size, (i + 1) * size)
    return [some.at(-1)![0], sum(some.map(([, value]) => value)) / some.length]
  })
}

/** The first evaluation beside the last: tables, plots and differences; and the figures of all of them. */
async function evaluationSection(path: string, evaluations: readonly TrainEvaluation[]): Promise<Html> {
  const read = (step: number): Promise<SavedRun> => readRun(join(path, 'eval', stepName(step)))
  const [first, last] = [evaluations[0]!, evaluations.at(-1)!]
  const saved = [await read(first.step), ...(last.step > first.step ? [await read(last.step)] : [])]
  const name = ({ step }: TrainEvaluation) => (step === 0 ? 'before' : `after step ${step}`)
  const runs = saved.map(({ results }, i) => ({ name: name(i === 0 ? first : last), results }))
  const [before, after] = saved
  const shared = after && new Map([...before!.tasks].filter(([task]) => after.tasks.has(task)))
  const compared = shared && shared.size > 0 && (await compareRuns({ ...before!, tasks: shared }, after))
  const tables = resultTables(runs.map(({ results }) => results))
  return html`<section id="scores"><h2>Tasks</h2>
<p>In percent, with 95 % intervals below them. The same sample of each task every time; * marks a difference beyond chance.</p>
${tables.map(table => group(table, runs))}
${compared && differenceTable(runs[0]!.name, { name: runs[1]!.name, tasks: compared.tasks })}
${scrolled('Every evaluation', stepRows(evaluations))}
${runs.map(runSection)}</section>
`
}

function stepRows(evaluations: readonly TrainEvaluation[]): string[][] {
  const columns = new Map(
    evaluations.flatMap(({ tasks }) =>
      Object.entries(tasks).flatMap(([task, { title, metrics }]) =>
        Object.keys(metrics).map(metric => [`${task}.${metric}`, { task, metric, title }] as const),
      ),
    ),
  )
  const heads = Array.from(columns.values(), ({ title, metric }) => `${title} (${metricHead(metric)})`)
  const rows = evaluations.map(({ step, tasks }) => [
    `${step}`,
    ...Array.from(columns.values(), ({ task, metric }) => {
      const figure = tasks[task]?.metrics[metric]
      return figure ? printedPercent(figure.value, 1) : '-'
    }),
  ])
  return [['Step', ...heads], ...rows]
}

function dataParts(lines: readonly Line[], steps: readonly Line[]): Html {
  const tokens = counted(steps.map(({ taskTokens = {} }) => taskTokens))
  const skipped = counted(steps.map(line => line.skipped ?? {}))
  const sets = Object.entries(lines.findLast(line => line.evaluationSets)?.evaluationSets ?? {})
  const [shown, others] = [tokens.slice(0, maxTasks), tokens.slice(maxTasks)]
  const rest =
    others.length > 0
      ? [[`${others.length} other tasks`, sum(others.map(([, count]) => count))] as const]
      : []
  const largest = Math.max(0, ...shown.map(([, count]) => count))
  const number = (count: number) => count.toLocaleString('en')
  return html`${scrolled('Tokens of each task', [
    ['Task', 'Tokens', ''],
    ...[...shown, ...rest].map(([task, count]) => [
      task,
      number(count),
      bar(Math.min(count, largest), largest),
    ]),
  ])}
${scrolled('Draws that made no example', [['Reason', 'Draws'], ...skipped.map(([reason, count]) => [reason, number(count)])])}
${
  sets.length > 0
    ? scrolled('Evaluation sets whose texts are left out ("contaminated" above)', [
        ['Set', 'Items'],
        ...sets.map(([name, items]) => [name, number(items)]),
      ])
    : html`<p>Texts of evaluation sets are not left out.</p>`
}`
}

function settingsTable(lines: readonly Line[]): Html {
  const settings = lines.findLast(line => line.settings)?.settings ?? {}
  return html`<dl>${Object.entries(settings).map(
    ([key, value]) => html`<div><dt>${key}</dt><dd>${JSON.stringify(value)}</dd></div>`,
  )}</dl>`
}

/** The sums by name, the largest first. */
function counted(counts: readonly Readonly<Record<string, number>>[]): [name: string, count: number][] {
  const sums = new Map<string, number>()
  for (const one of counts)
    for (const [name, count] of Object.entries(one)) sums.set(name, (sums.get(name) ?? 0) + count)
  return [...sums].sort(([, a], [, b]) => b - a)
}

function duration(seconds: number): string {
  if (seconds < 100) return `${seconds.toFixed(1)} s`
  return seconds < 6000 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(2)} h`
}
