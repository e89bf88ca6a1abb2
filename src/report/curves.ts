// Plots curves over the steps of a run, and amounts as bars, as SVG in the page's colours.
import { scaleLinear } from 'd3-scale'
import { type Html, html } from './html.ts'

export interface Curve {
  name: string
  points: readonly Point[]
  /** Drawn thin, behind a smoothed one. */
  isRaw?: boolean
}

export type Point = readonly [step: number, value: number]

const [width, height] = [760, 240]
const margin = { left: 64, right: 16, top: 10, bottom: 34 }
const dotted = 60

/** Curves with axes and a legend; nothing where no curve has a point. @param what the values are, for those who do not see it */
export function curves(what: string, drawn: readonly Curve[]): Html | undefined {
  const finite = drawn
    .map(curve => ({ ...curve, points: curve.points.filter(([, value]) => Number.isFinite(value)) }))
    .filter(({ points }) => points.length > 0)
  if (finite.length === 0) return undefined
  const all = finite.flatMap(({ points }) => points)
  const x = axis(
    all.map(([step]) => step),
    [margin.left, width - margin.right],
  )
  const y = axis(
    all.map(([, value]) => value),
    [height - margin.bottom, margin.top],
  ).nice(5)
  const grid = y
    .ticks(5)
    .map(
      tick =>
        html`<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${y(tick)}" y2="${y(tick)}"/><text class="row" x="${margin.left - 8}" y="${y(tick)}" dy="0.35em">${shortNumber(tick)}</text>`,
    )
  const steps = x
    .ticks(6)
    .filter(Number.isInteger)
    .map(tick => html`<text class="tick" x="${x(tick)}" y="${height - margin.bottom + 16}">${tick}</text>`)
  const lines = finite.map(({ points, isRaw }, i) => {
    const at = points.map(([step, value]) => [x(step).toFixed(1), y(value).toFixed(1)] as const)
    const path = at.map(([left, top]) => `${left} ${top}`).join('L')
    return html`<g class="run${i}"><path class="curve${isRaw && ' raw'}" d="M${path}"/>${
      !isRaw &&
      at.length <= dotted &&
      at.map(([left, top]) => html`<circle class="sign" cx="${left}" cy="${top}" r="3"/>`)
    }</g>`
  })
  return html`<figure>${finite.length > 1 && curveLegend(finite)}<svg class="plot" viewBox="0 0 ${width} ${height}" role="img" aria-label="${what} by step">${grid}${steps}${lines}</svg><figcaption>${what} by step.</figcaption></figure>`
}

function curveLegend(drawn: readonly Curve[]): Html {
  return html`<ul class="legend">${drawn.map(
    ({ name }, i) =>
      html`<li><svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" class="run${i}"><rect class="sign" x="1" y="6" width="14" height="4"/></svg> ${name}</li>`,
  )}</ul>`
}

function axis(values: readonly number[], range: [number, number]) {
  const low = values.reduce((least, one) => Math.min(least, one), Number.POSITIVE_INFINITY)
  const high = values.reduce((most, one) => Math.max(most, one), Number.NEGATIVE_INFINITY)
  return scaleLinear()
    .domain(low === high ? [low - 1, high + 1] : [low, high])
    .range(range)
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)))
}

/** A bar for each amount, as part of the largest. Its number stands beside it in a table. */
export function bar(amount: number, largest: number): Html {
  const length = largest > 0 ? (200 * amount) / largest : 0
  return html`<svg class="run0" viewBox="0 0 200 12" width="200" height="12" aria-hidden="true"><rect class="amount" width="${length.toFixed(1)}" height="12"/></svg>`
}
