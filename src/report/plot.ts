// Plots the figures of one table with their intervals, as SVG: it prints sharp, and takes the page's light or dark colours.
import { scaleLinear } from 'd3-scale'
import { aggregationOf, printedFigure } from '../evaluation/printed-figure.ts'
import type { ResultTable } from '../evaluation/result-tables.ts'
import type { LanguageMean, RunResults, TaskResult } from '../evaluation/results.ts'
import { isShare } from '../metrics/aggregation.ts'
import type { Figure } from '../metrics/mean.ts'
import { metricHead } from '../metrics/titles.ts'
import { type Html, html } from './html.ts'

export interface NamedRun {
  name: string
  results: RunResults
}

/** A line of the plot: a metric of a task in one run. */
interface Line {
  run: number
  value: number
  interval: Figure['interval']
  /** The figures of the templates, which the line is the mean of. */
  templates: number[]
  words: string
}

const width = 760
/** Room for the titles of rows, which grows with them up to the second. */
const [minLeft, maxLeft] = [200, 420]
const titleGap = 12
const right = 20
const top = 8
const lineHeight = 18
const rowGap = 8
/** Colours and shapes that the style sheet has; more runs take them again from the first. */
const styles = 6

/** A row for each metric of each task, and in it a line for each run; nothing where no metric is a share. */
export function plot(table: ResultTable, runs: readonly NamedRun[]): Html | undefined {
  const rows = table.columns.flatMap(column =>
    rowsOf(
      column.title,
      runs.map(({ results }) => column.of(results)),
      runs,
    ),
  )
  if (rows.length === 0) return undefined
  const widest = Math.max(...rows.map(({ title }) => textWidth(title)))
  const left = Math.min(Math.max(widest + titleGap, minLeft), maxLeft)
  const x = scaleLinear()
    .domain([0, 100])
    .range([left, width - right])
  let y = top
  const marks = rows.map(({ title, lines }) => {
    const height = lines.length * lineHeight
    const short = shortened(title, left - titleGap)
    const head = html`<text class="row" x="${left - titleGap}" y="${y + height / 2}" dy="0.35em">${short}${short !== title && html`<title>${title}</title>`}</text>`
    const drawn = lines.map((line, i) => mark(line, x, y + (i + 0.5) * lineHeight))
    y += height + rowGap
    return [head, ...drawn]
  })
  const axis = x
    .ticks(10)
    .map(
      tick =>
        html`<line class="grid" x1="${x(tick)}" x2="${x(tick)}" y1="${top}" y2="${y}"/><text class="tick" x="${x(tick)}" y="${y + 14}">${tick}</text>`,
    )
  const label = `${table.title}: figures in percent with 95 % intervals. The tables have the same figures.`
  return html`<svg class="plot" viewBox="0 0 ${width} ${y + 22}" role="img" aria-label="${label}">${axis}${marks}</svg>`
}

/** The signs of the runs, for a plot of several. */
export function legend(runs: readonly NamedRun[]): Html {
  return html`<ul class="legend">${runs.map(
    ({ name }, i) =>
      html`<li><svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" class="run${i % styles}">${sign(i, 8, 8)}</svg> ${name}</li>`,
  )}</ul>`
}

function rowsOf(
  title: string,
  results: readonly (TaskResult | LanguageMean | undefined)[],
  runs: readonly NamedRun[],
): { title: string; lines: Line[] }[] {
  const metrics = new Set(results.flatMap(result => (result ? plotted(result) : [])))
  return [...metrics].map(metric => ({
    title: `${title} (${metricHead(metric)})`,
    lines: results.flatMap((result, run) => {
      const figure: Partial<Figure> | undefined = result?.metrics[metric]
      if (!result || figure?.value === undefined || !plotted(result).includes(metric)) return []
      const templates = 'templates' in result ? (result.templates ?? []) : []
      const interval = figure.interval ?? null
      const percent = (value: number) => printedFigure(result, metric, value)
      const range = interval ? `, 95 % interval ${percent(interval.low)} to ${percent(interval.high)}` : ''
      const words = `${runs[run]!.name}: ${percent(figure.value)}${range}`
      const each = templates.flatMap(({ metrics: own }) => own.acc?.value ?? [])
      return [{ run, value: figure.value, interval, templates: each, words }]
    }),
  }))
}

/** What a title takes at the most in the plot's letters of 13 pixels; those from Hangul on may be as wide as high. */
function textWidth(title: string): number {
  return Array.from(title).reduce((sum, letter) => sum + (letter < '\u1100' ? 7.5 : 13), 0)
}

function shortened(title: string, room: number): string {
  if (textWidth(title) <= room) return title
  const letters = Array.from(title)
  while (letters.length > 0 && textWidth(`${letters.join('')}…`) > room) letters.pop()
  return `${letters.join('')}…`
}

/** Shares; of a spread over templates the mean alone, since the templates are drawn themselves. */
function plotted(result: TaskResult | LanguageMean): readonly string[] {
  const shares = result.headline.filter(name => isShare(aggregationOf(result, name)))
  return 'templates' in result && result.templates ? shares.slice(0, 1) : shares
}

function mark(
  { run, value, interval, templates, words }: Line,
  x: (percent: number) => number,
  y: number,
): Html {
  const at = (share: number) => x(100 * Math.min(Math.max(share, 0), 1))
  return html`<g class="run${run % styles}"><title>${words}</title>${templates.map(
    one => html`<circle class="template" cx="${at(one)}" cy="${y}" r="4"/>`,
  )}${interval !== null && html`<line class="interval" x1="${at(interval.low)}" x2="${at(interval.high)}" y1="${y}" y2="${y}"/>`}${sign(run, at(value), y)}</g>`
}

/** A shape a run, so that colour is not all that tells them apart. */
function sign(run: number, x: number, y: number): Html {
  const shapes = [
    html`<circle class="sign" cx="${x}" cy="${y}" r="5"/>`,
    html`<rect class="sign" x="${x - 4.5}" y="${y - 4.5}" width="9" height="9"/>`,
    html`<path class="sign" d="M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z"/>`,
    html`<path class="sign" d="M${x} ${y - 6}L${x + 6} ${y + 5}L${x - 6} ${y + 5}Z"/>`,
    html`<path class="sign" d="M${x} ${y + 6}L${x + 6} ${y - 5}L${x - 6} ${y - 5}Z"/>`,
    html`<rect class="sign" x="${x - 6}" y="${y - 3}" width="12" height="6"/>`,
  ]
  return shapes[run % styles]!
}
