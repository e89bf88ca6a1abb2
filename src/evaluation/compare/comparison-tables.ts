// A comparison of runs as Markdown: a table for each pair of runs, and the flips below it.
import { basename } from 'node:path'
import { shown } from '../../data/shown.ts'
import { printedScore } from '../../metrics/percent.ts'
import { metricHead } from '../../metrics/titles.ts'
import { markdownTable, tableCell } from '../markdown-table.ts'
import type { ComparedRun, Comparison, Flip, FlipSide, RunComparison, TaskComparison } from './compare.ts'
import { sampleWords } from './read-run.ts'

/** @param flips how many flips of each task are listed */
export function comparisonTables({ first, others }: Comparison, flips: number): string {
  const letter = (i: number) => (i < 25 ? String.fromCharCode(66 + i) : `run ${i + 2}`)
  const names = [`- A: ${runWords(first)}`, ...others.map((other, i) => `- ${letter(i)}: ${runWords(other)}`)]
  const parts = others.flatMap((other, i) => pairParts(other, letter(i), flips))
  return `${[names.join('\n'), ...parts, legend].join('\n\n')}\n`
}

const legend = [
  '- Shares and their differences in percent. \\* beyond chance: p of McNemar below 0.05, or an interval without 0 where a score is not 0 or 1.',
  '- 95 % intervals of the difference by the paired bootstrap. Up, down: pairs whose score is higher, lower than in A; a pair is a sample, or an item with several templates.',
].join('\n')

function runWords({ path, model, settings: { protocol, dtype, backend } }: ComparedRun): string {
  return `${path} (${basename(model)}, protocol ${protocol}, ${dtype}, ${backend})`
}

function pairParts({ tasks }: RunComparison, letter: string, flips: number): string[] {
  const all = Object.values(tasks)
  const rows = differenceRows(all, ['A', letter]).map(([task = '', ...figures]) => [
    tableCell(task),
    ...figures,
  ])
  const alone = all
    .filter(({ onlyFirst, onlyOther }) => onlyFirst + onlyOther > 0)
    .map(
      ({ title, pairs, onlyFirst, onlyOther }) =>
        `- ${title}: of the ${pairs + onlyFirst} samples of A and ${pairs + onlyOther} of ${letter} only the ${pairs} that both have are compared.`,
    )
  const lists = all.map(task => flipList(task, letter, flips)).filter(Boolean)
  return [markdownTable(`${letter} against A`, rows), alone.join('\n'), ...lists].filter(Boolean)
}

/** A row for each metric of each task; before them the head. @param names of the first run and the other */
export function differenceRows(
  tasks: readonly TaskComparison[],
  [first, other]: readonly [string, string],
): string[][] {
  const rows = tasks.flatMap(task => Object.keys(task.metrics).map(name => row(task, name)))
  const head = [
    'Task',
    first,
    other,
    `${other} - ${first}`,
    '95 % interval',
    'Up',
    'Down',
    'p (McNemar)',
    'Pairs',
  ]
  return [head, ...rows]
}

function row({ title, decimals, aggregations, metrics }: TaskComparison, name: string): string[] {
  const { pairs, before, after, difference, interval, higher, lower, mcnemar, beyondChance } = metrics[name]!
  const print = (value: number) => printedScore(value, aggregations?.[name], decimals)
  const signed = (value: number) => (value < 0 ? '' : '+') + print(value)
  return [
    `${title} (${metricHead(name)})`,
    print(before),
    print(after),
    signed(difference) + (beyondChance ? '*' : ''),
    interval ? `${signed(interval.low)} to ${signed(interval.high)}` : '-',
    `${higher}`,
    `${lower}`,
    mcnemar === null ? '-' : printedProbability(mcnemar),
    `${pairs}`,
  ]
}

function printedProbability(p: number): string {
  return p < 0.0001 ? '<0.0001' : p.toFixed(4)
}

function flipList({ title, flipMetric, flips }: TaskComparison, letter: string, count: number): string {
  if (flipMetric === null || flips.length === 0 || count === 0) return ''
  const listed = flips.slice(0, count)
  const number = listed.length < flips.length ? `, the first ${listed.length} of ${flips.length}` : ''
  const lines = listed.map((one: Flip) => {
    const side = (name: string, { score, prediction }: FlipSide) =>
      `${name} ${Number(score.toFixed(3))} (${shown(prediction)})`
    return `- ${sampleWords(one)}: ${side('A', one.before)}, ${side(letter, one.after)}${one.gold === undefined ? '' : `; gold ${shown(one.gold)}`}`
  })
  return [`Samples of ${title} with another score (${metricHead(flipMetric)})${number}:`, '', ...lines].join(
    '\n',
  )
}
