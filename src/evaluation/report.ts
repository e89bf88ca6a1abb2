// The card's two tables as Markdown.
import { basename } from 'node:path'
import { type TaskName, tasks, unseenDatasets, unseenTasks } from '../tasks/registry.ts'
import { type Figure, published } from './published.ts'
import type { RunResults, TaskResult } from './results.ts'

export interface ReportOptions {
  /** Whether the tables have the model card's own rows too. */
  card: boolean
}

/**
 * Both tables in percent, tasks without results as "-", partial ones marked *; below them what a reader must know
 * (limits, ties, cut prompts). A table none of whose tasks ran is left out.
 */
export function report(results: RunResults, { card }: ReportOptions): string {
  const parts = [
    table('Unseen datasets', unseenDatasets, results, card),
    table('Unseen tasks', unseenTasks, results, card),
    notes(results),
  ]
  return `${parts.filter(Boolean).join('\n\n')}\n`
}

function table(title: string, names: readonly TaskName[], results: RunResults, card: boolean): string {
  if (!names.some(name => results.tasks[name])) return ''
  const heads = names.map(
    name => `${tasks[name].title} (${tasks[name].kind === 'answer' ? 'F1/EM' : 'Acc.'})`,
  )
  const ours = names.map(name => cell(results.tasks[name]))
  const rows = [
    ['Model', ...heads],
    [modelName(results.model.path), ...ours],
  ]
  for (const [model, figures] of card ? Object.entries(published) : []) {
    rows.push([model, ...names.map(name => shown(figures[name]))])
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  const line = (cells: string[]) =>
    `| ${cells.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => (i === 0 ? `${'-'.repeat(width + 2)}` : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [`### ${title}`, '', line(rows[0]!), rule, ...rows.slice(1).map(line)].join('\n')
}

/** The last part of the path, made safe for a cell of a table. */
function modelName(path: string): string {
  return basename(path).replaceAll('|', '\\|')
}

function cell(result: TaskResult | undefined): string {
  if (!result) return '-'
  const { metrics } = result
  const figure: Figure =
    'accuracy' in metrics ? 100 * metrics.accuracy : [100 * metrics.f1, 100 * metrics.exactMatch]
  return shown(figure) + (result.status === 'partial' ? '*' : '')
}

function shown(figure: Figure): string {
  return [figure]
    .flat()
    .map(value => value.toFixed(1))
    .join('/')
}

function notes({ settings, tasks: done }: RunResults): string {
  const entries = Object.entries(done) as [TaskName, TaskResult][]
  /** Names the tasks that `say` gives something for, with what it gives: 'COPA 3, RTE 1'. */
  const list = (say: (result: TaskResult) => string | number | false) =>
    entries
      .map(([name, result]) => [tasks[name].title, say(result)])
      .filter(([, text]) => text !== false && text !== 0)
      .map(pair => pair.join(' '))
      .join(', ')
  const partial = list(
    result => result.status === 'partial' && `${result.samplesDone} of ${result.samplesTotal}`,
  )
  const normalised = list(
    ({ metrics }) => 'accuracyNormalised' in metrics && (100 * metrics.accuracyNormalised).toFixed(1),
  )
  const ties = list(result => result.ties)
  const truncated = list(result => result.truncated)
  const notFinite = list(result => result.notFinite)
  const lines = [
    `Protocol ${settings.protocol}, ${settings.dtype}, ${settings.backend}, ${settings.addBos ? 'BOS' : 'no BOS'} before each prompt.`,
    `Samples: ${list(result => result.samplesDone)}${settings.limit === null ? '' : ` (limit ${settings.limit})`}.`,
    partial && `\\* Stopped early, the figure is that of the first samples: ${partial}.`,
    normalised && `Accuracy by log-likelihood per character: ${normalised}.`,
    ties && `Ties (the first choice counts): ${ties}.`,
    notFinite && `The model gave NaN or an infinity (counted as wrong): ${notFinite}.`,
    truncated && `Prompts cut on the left to fit the context: ${truncated}.`,
  ]
  return lines
    .filter(Boolean)
    .map(line => `- ${line}`)
    .join('\n')
}
