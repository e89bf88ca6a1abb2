// The table that says how sure each figure is, and what was counted apart beside it.
import { printedScore } from '../metrics/percent.ts'
import { metricHead } from '../metrics/titles.ts'
import { markdownTable, tableCell } from './markdown-table.ts'
import type { TaskResult } from './results.ts'

/** What is counted beside a score; a column is left out where it is 0 for every task. */
const counts: readonly [head: string, count: (result: TaskResult) => number][] = [
  ['Ties', ({ ties }) => ties],
  ['No answer', ({ failed }) => failed],
  ['NaN', ({ notFinite }) => notFinite],
  ['Cut', ({ truncated }) => truncated],
  ['Not asked', ({ skipped }) => skipped],
]

/** A row for each headline metric of each task, shares in percent. @param results one at least */
export function certaintyTable(results: readonly TaskResult[]): string {
  const shown = counts.filter(([, count]) => results.some(result => count(result) > 0))
  const rows = results.flatMap(result =>
    result.headline.map(name => {
      const { value, standardError, bootstrapError, interval } = result.metrics[name]!
      const print = (one: number | null) =>
        one === null ? '-' : printedScore(one, result.aggregations?.[name], result.decimals)
      return [
        tableCell(`${result.title} (${metricHead(name)})`),
        print(value),
        print(standardError),
        print(bootstrapError),
        interval ? `${print(interval.low)} to ${print(interval.high)}` : '-',
        `${result.samplesDone}`,
        ...shown.map(([, count]) => `${count(result)}`),
      ]
    }),
  )
  const head = ['Task', 'Score', 'Std. error', 'Bootstrap', '95 % interval', 'Samples']
  return markdownTable('How sure the figures are', [[...head, ...shown.map(([name]) => name)], ...rows])
}
