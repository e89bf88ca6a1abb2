// The card's two tables as Markdown, one for each set of several languages, and one of whatever else was run.
import { basename } from 'node:path'
import { printedPercent, printedScore } from '../metrics/percent.ts'
import { metricDescription, metricHead } from '../metrics/titles.ts'
import { cardTables, languageSets } from '../tasks/built-in/registry.ts'
import type { Task } from '../tasks/task.ts'
import { certaintyTable } from './certainty-table.ts'
import { markdownTable, tableCell } from './markdown-table.ts'
import { type PublishedFigures, published } from './published.ts'
import type { LanguageMean, RunResults, TaskResult } from './results.ts'

export interface ReportOptions {
  /** Whether the tables have the model card's own rows too. */
  card: boolean
}

/** A column of a table. */
interface Column {
  title: string
  /** The task's name; undefined for a mean. */
  name?: string
  result: TaskResult | LanguageMean | undefined
}

interface Table {
  title: string
  columns: readonly Column[]
}

/**
 * The tables in percent, tasks without results as "-", partial ones marked *; below them what a reader must know
 * (limits, ties, cut prompts). A table none of whose tasks ran is left out.
 */
export function report(results: RunResults, { card }: ReportOptions): string {
  const own = cardTables.map(({ title, tasks }) => ({
    title,
    columns: tasks.map(task => column(task, results)),
  }))
  const inCard = namesOf(own)
  const tables = [...own, ...languageTables(results, inCard)]
  const known = new Set([...inCard, ...namesOf(tables)])
  const others = Object.entries(results.tasks).filter(([name]) => !known.has(name))
  tables.push({
    title: 'Other tasks',
    columns: others.map(([name, result]) => ({ name, title: result.title, result })),
  })
  const parts = [
    ...tables.map(one => table(one, tableCell(basename(results.model.path)), card)),
    ...Object.values(results.tasks).map(templateTable),
    groupTable(results),
  ]
  const certainty = certaintyTable(Object.values(results.tasks))
  return `${[...parts, certainty, notes(results)].filter(Boolean).join('\n\n')}\n`
}

/** The means of groups; '' where there are none. */
function groupTable({ groups = {}, tasks }: RunResults): string {
  const rows = Object.values(groups).flatMap(({ title, tasks: names, figures, status }) =>
    Object.entries(figures).map(([name, { value, standardError, tasks: count }]) => {
      const { aggregations, decimals } = tasks[names[0]!]!
      const print = (one: number) => printedScore(one, aggregations?.[name], decimals)
      return [
        tableCell(`${title} (${metricHead(name)})`),
        print(value) + (status === 'partial' ? '*' : ''),
        standardError === null ? '-' : print(standardError),
        `${count}`,
      ]
    }),
  )
  return rows.length > 0 ? markdownTable('Groups', [['Group', 'Score', 'Std. error', 'Tasks'], ...rows]) : ''
}

function column({ name, title }: Task, { tasks }: RunResults): Column {
  return { name, title, result: tasks[name] }
}

function namesOf(tables: readonly Table[]): Set<string | undefined> {
  return new Set(tables.flatMap(({ columns }) => columns.map(({ name }) => name)))
}

/** A table for each set of which more was run than the card's language. */
function languageTables(results: RunResults, inCard: Set<string | undefined>): Table[] {
  return languageSets.flatMap(({ name, title, tasks, averaged }) => {
    const columns = [...tasks.values()].map(task => column(task, results))
    if (!columns.some(one => one.result && !inCard.has(one.name))) return []
    const mean = { title: `mean of ${averaged.length}`, result: results.languageMeans[name] }
    return [{ title: `${title} by language`, columns: [...columns, mean] }]
  })
}

function table({ title, columns }: Table, model: string, card: boolean): string {
  if (!columns.some(({ result }) => result)) return ''
  const rows = [
    ['Model', ...columns.map(head)],
    [model, ...columns.map(({ result }) => cell(result))],
  ]
  for (const [model, figures] of card ? Object.entries(published) : []) {
    const cells = columns.map(({ name }) => publishedCell(name === undefined ? undefined : figures[name]))
    if (cells.some(text => text !== '-')) rows.push([model, ...cells])
  }
  return markdownTable(title, rows)
}

/** A row for each template, with the number of its items and its accuracy. */
function templateTable({ title, templates = [], decimals }: TaskResult): string {
  if (templates.length === 0) return ''
  const rows = templates.map(({ template, samples, metrics }) => [
    tableCell(template),
    String(samples),
    printedPercent(metrics.acc!.value, decimals),
  ])
  return markdownTable(`${title} by template`, [['Template', 'Items', metricHead('acc')], ...rows])
}

/** 'COPA (Acc.)'; the title alone where nothing says what its figures are. */
function head({ title, result }: Column): string {
  return result ? `${title} (${result.headline.map(metricHead).join('/')})` : title
}

function cell(result: Column['result']): string {
  if (!result) return '-'
  const { headline, decimals, status } = result
  const figures = headline.map(name => printedFigure(result, name, decimals))
  return figures.join('/') + (status === 'partial' ? '*' : '')
}

function printedFigure(
  { metrics, ...result }: TaskResult | LanguageMean,
  name: string,
  decimals: 1 | 2,
): string {
  const { value } = metrics[name]!
  const aggregation = 'aggregations' in result ? result.aggregations?.[name] : undefined
  return printedScore(value, aggregation, decimals)
}

function publishedCell(figures: PublishedFigures | undefined): string {
  return figures?.map(value => value.toFixed(1)).join('/') ?? '-'
}

function notes({ settings, tasks: done, tokenNotes }: RunResults): string {
  const all = Object.values(done)
  /** Names the tasks that `say` gives something for, with what it gives: 'COPA 3, RTE 1'. */
  const list = (say: (result: TaskResult) => string | number | false) =>
    all
      .map(result => [result.title, say(result)])
      .filter(([, text]) => text !== false && text !== 0)
      .map(pair => pair.join(' '))
      .join(', ')
  const bos = tokenNotes.length > 0 ? '' : `, ${settings.addBos ? 'BOS' : 'no BOS'} before each prompt`
  const partial = list(
    result => result.status === 'partial' && `${result.samplesDone} of ${result.samplesTotal}`,
  )
  const further = [...new Set(all.flatMap(({ metrics }) => Object.keys(metrics)))].map(name => {
    const figures = list(
      result =>
        result.metrics[name] !== undefined &&
        !result.headline.includes(name) &&
        printedFigure(result, name, 1),
    )
    return figures && `${metricDescription(name)}: ${figures}.`
  })
  const ties = list(result => result.ties)
  const skipped = list(result => result.skipped)
  const failed = list(result => result.failed)
  const truncated = list(result => result.truncated)
  const notFinite = list(result => result.notFinite)
  const lines = [
    `Protocol ${settings.protocol}, ${settings.dtype}, ${settings.backend}${bos}.`,
    ...tokenNotes,
    settings.limit !== null && `Only the first ${settings.limit} items of each task.`,
    partial && `\\* Stopped early, the figure is that of the first samples: ${partial}.`,
    ...further,
    skipped && `Items that are not asked about: ${skipped}.`,
    ties && `Ties (the first choice counts): ${ties}.`,
    failed && `Texts in which no answer was found: ${failed}.`,
    notFinite && `The model gave NaN or an infinity (counted as wrong): ${notFinite}.`,
    truncated && `Prompts that were cut: ${truncated}.`,
  ]
  return lines
    .filter(Boolean)
    .map(line => `- ${line}`)
    .join('\n')
}
