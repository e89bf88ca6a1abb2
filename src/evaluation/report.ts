// The card's two tables as Markdown, one for each set of several languages, and one of whatever else was run.
import { basename } from 'node:path'
import { printedPercent, printedScore } from '../metrics/percent.ts'
import { metricDescription, metricHead } from '../metrics/titles.ts'
import { certaintyTable } from './certainty-table.ts'
import { markdownTable, tableCell } from './markdown-table.ts'
import { printedFigure } from './printed-figure.ts'
import { type PublishedFigures, published } from './published.ts'
import { columnHead, type ResultTable, resultTables } from './result-tables.ts'
import type { LanguageMean, RunResults, TaskResult } from './results.ts'

export interface ReportOptions {
  /** Whether the tables have the model card's own rows too. */
  card: boolean
}

/**
 * The tables in percent, tasks without results as "-", partial ones marked *; below them what a reader must know
 * (limits, ties, cut prompts). A table none of whose tasks ran is left out.
 */
export function report(results: RunResults, { card }: ReportOptions): string {
  const parts = [
    ...resultTables([results]).map(one => table(one, results, tableCell(basename(results.model.path)), card)),
    ...Object.values(results.tasks).map(templateTable),
    groupTable(results),
  ]
  const certainty = certaintyTable(Object.values(results.tasks))
  const list = notes(results).map(line => `- ${line.replace(/^\*/, '\\*')}`)
  return `${[...parts, certainty, list.join('\n')].filter(Boolean).join('\n\n')}\n`
}

/** The means of groups; '' where there are none. */
function groupTable(results: RunResults): string {
  const rows = groupRows(results).map(([group = '', ...figures]) => [tableCell(group), ...figures])
  return rows.length > 1 ? markdownTable('Groups', rows) : ''
}

/** A row for each mean of each group; before them the head. */
export function groupRows({ groups = {}, tasks }: RunResults): string[][] {
  const rows = Object.values(groups).flatMap(({ title, tasks: names, figures, status }) =>
    Object.entries(figures).map(([name, { value, standardError, tasks: count }]) => {
      const { aggregations, decimals } = tasks[names[0]!]!
      const print = (one: number) => printedScore(one, aggregations?.[name], decimals)
      return [
        `${title} (${metricHead(name)})`,
        print(value) + (status === 'partial' ? '*' : ''),
        standardError === null ? '-' : print(standardError),
        `${count}`,
      ]
    }),
  )
  return [['Group', 'Score', 'Std. error', 'Tasks'], ...rows]
}

function table({ title, columns }: ResultTable, results: RunResults, model: string, card: boolean): string {
  const rows = [
    ['Model', ...columns.map(column => columnHead(column, [results]))],
    [model, ...columns.map(column => cell(column.of(results)))],
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
  const names = ['acc', 'f1'].filter(name => templates.some(({ metrics }) => metrics[name]))
  const rows = templates.map(({ template, samples, metrics }) => [
    tableCell(template),
    String(samples),
    ...names.map(name => (metrics[name] ? printedPercent(metrics[name].value, decimals) : '-')),
  ])
  return markdownTable(`${title} by template`, [['Template', 'Items', ...names.map(metricHead)], ...rows])
}

function cell(result: TaskResult | LanguageMean | undefined): string {
  if (!result) return '-'
  const { headline, metrics, status } = result
  const figures = headline.map(name => printedFigure(result, name, metrics[name]!.value))
  return figures.join('/') + (status === 'partial' ? '*' : '')
}

function publishedCell(figures: PublishedFigures | undefined): string {
  return figures?.map(value => value.toFixed(1)).join('/') ?? '-'
}

/** What a reader of a run's tables must know: a sentence or more each. */
export function notes({
  settings,
  tasks: done,
  tokenNotes,
  promptNotes = [],
  warnings = [],
}: RunResults): string[] {
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
        printedFigure({ ...result, decimals: 1 }, name, result.metrics[name].value),
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
    settings.chatTemplate === true &&
      `Prompts are chats by the checkpoint's template, ${settings.fewshotAsMultiturn ? 'shots as messages of their own' : 'shots and question in one message'}.`,
    settings.systemInstruction !== undefined &&
      `Before each task's description stands ${JSON.stringify(settings.systemInstruction)}.`,
    ...promptNotes,
    settings.shard !== undefined && `Only shard ${settings.shard} of each task's samples.`,
    settings.limit !== null && `Only the first ${settings.limit} items of each task.`,
    settings.sample !== undefined && `A sample of at most ${settings.sample} items of each task.`,
    partial && `* Stopped early, the figure is that of the first samples: ${partial}.`,
    ...warnings.map(text => `Warning: ${text}`),
    ...further,
    skipped && `Items that are not asked about: ${skipped}.`,
    ties && `Ties (the first choice counts): ${ties}.`,
    failed && `Texts in which no answer was found: ${failed}.`,
    notFinite && `The model gave NaN or an infinity (counted as wrong): ${notFinite}.`,
    truncated && `Prompts that were cut: ${truncated}.`,
  ]
  return lines.filter((line): line is string => line !== false && line !== '')
}
