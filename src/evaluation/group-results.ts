// Means over the tasks of groups, weighted by their samples or not, as lm-evaluation-harness aggregates them (api/group.py).
import { sum } from '../metrics/sum.ts'
import type { GroupMetric, TaskGroup } from '../tasks/yaml/load.ts'
import type { GroupFigure, GroupResult, RunResults, TaskResult } from './results.ts'

/**
 * The results of the groups whose tasks all have some, by the group's name.
 * @param groups those of this run, and those that its folder has results of
 */
export function groupResults(
  groups: readonly TaskGroup[],
  tasks: RunResults['tasks'],
): Record<string, GroupResult> {
  const results: Record<string, GroupResult> = {}
  for (const group of groups) {
    const done = group.tasks.flatMap(name => tasks[name] ?? [])
    if (done.length === group.tasks.length && group.metrics.length > 0)
      results[group.name] = groupResult(group, done)
  }
  return results
}

function groupResult(group: TaskGroup, done: readonly TaskResult[]): GroupResult {
  const figures = group.metrics.flatMap(entry =>
    groupMetricNames(
      entry,
      done.flatMap(({ metrics }) => Object.keys(metrics)),
    ).flatMap((name): [string, GroupFigure][] => {
      const having = done.filter(({ metrics }) => metrics[name])
      return having.length > 0 ? [[name, meanOf(name, having, entry)]] : []
    }),
  )
  return {
    ...group,
    status: done.every(({ status }) => status === 'complete') ? 'complete' : 'partial',
    figures: Object.fromEntries(figures),
  }
}

/** The names of a metric's figures: plain, or with the names of filters behind it. @param names those of the tasks' metrics */
export function groupMetricNames({ metric, filters }: GroupMetric, names: readonly string[]): string[] {
  if (filters) return filters.map(filter => (filter === 'none' ? metric : `${metric},${filter}`))
  return [...new Set(names)].filter(name => name === metric || name.startsWith(`${metric},`)).sort()
}

function meanOf(name: string, done: readonly TaskResult[], { weightBySize }: GroupMetric): GroupFigure {
  const figures = done.map(({ metrics }) => metrics[name]!)
  const sizes = done.map(({ samplesDone }) => samplesDone)
  const weights = weightBySize ? sizes : sizes.map(() => 1)
  const value = sum(figures.map((figure, i) => figure.value * weights[i]!)) / sum(weights)
  const errors = figures.map(({ standardError }) => standardError)
  const known = errors.every(error => error !== null) ? errors : undefined
  return {
    value,
    standardError: known ? (weightBySize ? pooled(known, sizes) : unweighted(known)) : null,
    tasks: done.length,
  }
}

/** The standard error of the mean over all samples, from the variances within the tasks. */
function pooled(errors: readonly number[], sizes: readonly number[]): number {
  const squares = sum(errors.map((error, i) => (sizes[i]! - 1) * error ** 2 * sizes[i]!))
  return Math.sqrt(squares / (sum(sizes) - sizes.length) / sum(sizes))
}

function unweighted(errors: readonly number[]): number {
  return Math.sqrt(sum(errors.map(error => error ** 2))) / errors.length
}
