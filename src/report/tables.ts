// The tables of the page: figures with their intervals, and what each run says of itself.
import { certaintyRows } from '../evaluation/certainty-table.ts'
import type { RunComparison } from '../evaluation/compare/compare.ts'
import { differenceRows } from '../evaluation/compare/comparison-tables.ts'
import { printedFigure } from '../evaluation/printed-figure.ts'
import { groupRows, notes } from '../evaluation/report.ts'
import { columnHead, type ResultTable } from '../evaluation/result-tables.ts'
import type { LanguageMean, TaskResult } from '../evaluation/results.ts'
import type { Figure } from '../metrics/mean.ts'
import { metricHead } from '../metrics/titles.ts'
import { type Html, html } from './html.ts'
import type { NamedRun } from './plot.ts'

/** A comparison of a run with the first one. */
export interface NamedComparison extends Pick<RunComparison, 'tasks'> {
  name: string
}

/** A row for each run, a column for each task. */
export function scoreTable(table: ResultTable, runs: readonly NamedRun[]): Html {
  const results = runs.map(run => run.results)
  const heads = table.columns.map(column => columnHead(column, results))
  const rows = runs.map(({ name, results }) => [
    name,
    // Where the head does not say what the figures are, since runs have different ones, each cell does.
    ...table.columns.map((column, i) => cell(column.of(results), heads[i] === column.title)),
  ])
  return scrolled(table.title, [['Run', ...heads], ...rows])
}

/** What a run was, what its reader must know, and how sure each of its figures is. */
export function runSection({ name, results }: NamedRun): Html {
  const { model, settings } = results
  const tasks = Object.values(results.tasks)
  const facts = [
    ['Model', model.path],
    ['Version', settings.version],
    ['Data', settings.dataDir],
  ]
  return html`<section class="run"><h3>${name}</h3>
<dl>${facts.map(([term, text]) => html`<div><dt>${term}</dt><dd>${text}</dd></div>`)}</dl>
<ul>${notes(results).map(line => html`<li>${line}</li>`)}</ul>
${results.groups && scrolled(`Groups of ${name}`, groupRows(results))}
${tasks.length > 0 && scrolled(`How sure the figures of ${name} are`, certaintyRows(tasks))}</section>`
}

/** How a run differs from the first one. */
export function differenceTable(first: string, { name, tasks }: NamedComparison): Html {
  return scrolled(`${name} against ${first}`, differenceRows(Object.values(tasks), [first, name]))
}

/** A table that scrolls sideways by itself where the page is narrow. */
export function scrolled(caption: string, [heads, ...rows]: readonly (readonly (string | Html)[])[]): Html {
  return html`<div class="scrolled" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption>
<thead><tr>${heads!.map(head => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([name, ...cells]) =>
      html`<tr><th scope="row">${name}</th>${cells.map(text => html`<td>${text}</td>`)}</tr>`,
  )}</tbody></table></div>`
}

function cell(result: TaskResult | LanguageMean | undefined, isNamed: boolean): Html {
  if (!result) return html`-`
  const { headline, metrics, status } = result
  const figures = headline.map(name => printedFigure(result, name, metrics[name]!.value)).join('/')
  const notes = headline.flatMap(name => certainty(result, name))
  if (isNamed) notes.unshift(headline.map(metricHead).join('/'))
  return html`${figures}${status === 'partial' && '*'}${notes.map(text => html`<small>${text}</small>`)}`
}

/** The interval; where there is none, the standard error. */
function certainty(result: TaskResult | LanguageMean, name: string): string[] {
  const { interval, standardError }: Partial<Figure> = result.metrics[name]!
  const print = (value: number) => printedFigure(result, name, value)
  if (interval) return [`${print(interval.low)} to ${print(interval.high)}`]
  return typeof standardError === 'number' ? [`± ${print(standardError)}`] : []
}
