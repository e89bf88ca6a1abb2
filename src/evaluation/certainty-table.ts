// The table that says how sure each figure is, and what was counted apart beside it.
import { printedScore } from '../metrics/percent.ts'
import { metricHead } from '../metrics/titles.ts'
import { auc } from './choices.ts'
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

/** A row for each headline metric of each task and its AUC, of tasks with templates for each template; shares in percent. @param results one at least */
export function certaintyTable(results: readonly TaskResult[]): string {
  const rows = certaintyRows(results).map(([task = '', ...figures]) => [tableCell(task), ...figures])
  return markdownTable('How sure the figures are', rows)
}

/** The head of that table and its rows. */
export function certaintyRows(results: readonly TaskResult[]): string[][] {
  const shown = counts.filter(([, count]) => results.some(result => count(result) > 0))
  const rows = results.flatMap(result => {
    const beside = shown.map(([, count]) => `${count(result)}`)
    return figuresOf(result).map(({ name, samples, aggregation, figure }, i) => {
      const { value, standardError, bootstrapError, interval } = figure
      const print = (one: number | null) =>
        one === null ? '-' : printedScore(one, aggregation, result.decimals)
      return [
        name,
        ...[value, standardError, bootstrapError].map(print),
        interval ? `${print(interval.low)} to ${print(interval.high)}` : '-',
        `${samples}`,
        // The counts are those of the task, whatever the template.
        ...(result.templates && i > 0 ? beside.map(() => '') : beside),
      ]
    })
  })
  const head = ['Task', 'Score', 'Std. error', 'Bootstrap', '95 % interval', 'Samples']
  return [[...head, ...shown.map(([name]) => name)], ...rows]
}

function figuresOf({ title, headline, metrics, samplesDone, templates, aggregations = {} }: TaskResult) {
  if (templates)
    return templates.flatMap(({ template, samples, metrics }) =>
      withAuc(metrics.f1 ? ['acc', 'f1'] : ['acc'], metrics).map(name => ({
        ...{ name: `${title}, ${template} (${metricHead(name)})`, samples },
        aggregation: undefined,
        figure: metrics[name]!,
      })),
    )
  return withAuc(headline, metrics).map(name => ({
    ...{ name: `${title} (${metricHead(name)})`, samples: samplesDone },
    aggregation: aggregations[name],
    figure: metrics[name]!,
  }))
}

function withAuc(names: readonly string[], metrics: TaskResult['metrics']): readonly string[] {
  return metrics[auc] ? [...names, auc] : names
}
