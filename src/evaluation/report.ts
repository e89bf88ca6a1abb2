// The card's two tables as Markdown, and a third of whatever else was run.
import { basename } from 'node:path'
import { metricDescription, metricHead } from '../metrics/titles.ts'
import { cardTables } from '../tasks/built-in/registry.ts'
import { type PublishedFigures, published } from './published.ts'
import type { RunResults, TaskResult } from './results.ts'

export interface ReportOptions {
  /** Whether the tables have the model card's own rows too. */
  card: boolean
}

/** A column of a table. */
interface Column {
  name: string
  title: string
}

/**
 * The tables in percent, tasks without results as "-", partial ones marked *; below them what a reader must know
 * (limits, ties, cut prompts). A table none of whose tasks ran is left out.
 */
export function report(results: RunResults, { card }: ReportOptions): string {
  const tables: { title: string; columns: readonly Column[] }[] = cardTables.map(({ title, tasks }) => ({
    title,
    columns: tasks,
  }))
  const known = new Set(tables.flatMap(({ columns }) => columns.map(({ name }) => name)))
  const others = Object.entries(results.tasks).filter(([name]) => !known.has(name))
  tables.push({ title: 'Other tasks', columns: others.map(([name, { title }]) => ({ name, title })) })
  const parts = tables.map(({ title, columns }) => table(title, columns, results, card))
  return `${[...parts, notes(results)].filter(Boolean).join('\n\n')}\n`
}

function table(title: string, columns: readonly Column[], results: RunResults, card: boolean): string {
  if (!columns.some(({ name }) => results.tasks[name])) return ''
  const rows = [
    ['Model', ...columns.map(column => head(column, results.tasks[column.name]))],
    [modelName(results.model.path), ...columns.map(({ name }) => cell(results.tasks[name]))],
  ]
  for (const [model, figures] of card ? Object.entries(published) : []) {
    const cells = columns.map(({ name }) => shown(figures[name]))
    if (cells.some(text => text !== '-')) rows.push([model, ...cells])
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  const line = (cells: string[]) =>
    `| ${cells.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => (i === 0 ? `${'-'.repeat(width + 2)}` : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [`### ${title}`, '', line(rows[0]!), rule, ...rows.slice(1).map(line)].join('\n')
}

/** 'COPA (Acc.)'; the title alone where nothing says what its figures are. */
function head({ title }: Column, result: TaskResult | undefined): string {
  return result ? `${title} (${result.headline.map(metricHead).join('/')})` : title
}

/** The last part of the path, made safe for a cell of a table. */
function modelName(path: string): string {
  return basename(path).replaceAll('|', '\\|')
}

function cell(result: TaskResult | undefined): string {
  if (!result) return '-'
  const figures = result.headline.map(name => 100 * result.metrics[name]!.value)
  return shown(figures) + (result.status === 'partial' ? '*' : '')
}

function shown(figures: PublishedFigures | undefined): string {
  return figures?.map(value => value.toFixed(1)).join('/') ?? '-'
}

function notes({ settings, tasks: done }: RunResults): string {
  const all = Object.values(done)
  /** Names the tasks that `say` gives something for, with what it gives: 'COPA 3, RTE 1'. */
  const list = (say: (result: TaskResult) => string | number | false) =>
    all
      .map(result => [result.title, say(result)])
      .filter(([, text]) => text !== false && text !== 0)
      .map(pair => pair.join(' '))
      .join(', ')
  const partial = list(
    result => result.status === 'partial' && `${result.samplesDone} of ${result.samplesTotal}`,
  )
  const further = [...new Set(all.flatMap(({ metrics }) => Object.keys(metrics)))].map(name => {
    const figures = list(
      ({ headline, metrics: { [name]: figure } }) =>
        figure !== undefined && !headline.includes(name) && (100 * figure.value).toFixed(1),
    )
    return figures && `${metricDescription(name)}: ${figures}.`
  })
  const ties = list(result => result.ties)
  const skipped = list(result => result.skipped)
  const failed = list(result => result.failed)
  const truncated = list(result => result.truncated)
  const notFinite = list(result => result.notFinite)
  const lines = [
    `Protocol ${settings.protocol}, ${settings.dtype}, ${settings.backend}, ${settings.addBos ? 'BOS' : 'no BOS'} before each prompt.`,
    `Samples: ${list(result => result.samplesDone)}${settings.limit === null ? '' : ` (limit ${settings.limit})`}.`,
    partial && `\\* Stopped early, the figure is that of the first samples: ${partial}.`,
    ...further,
    skipped && `Items that are not asked about: ${skipped}.`,
    ties && `Ties (the first choice counts): ${ties}.`,
    failed && `Texts in which no answer was found: ${failed}.`,
    notFinite && `The model gave NaN or an infinity (counted as wrong): ${notFinite}.`,
    truncated && `Prompts cut on the left to fit the context: ${truncated}.`,
  ]
  return lines
    .filter(Boolean)
    .map(line => `- ${line}`)
    .join('\n')
}
