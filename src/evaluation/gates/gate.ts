// Gates: what must hold of a run's results, such as copa.acc>=0.85.
import { MtLlamaError, oneOf } from '../../errors.ts'
import { spreadNames } from '../../metrics/spread.ts'
import type { Form, Protocol } from '../../protocols/protocol.ts'
import { languageSets } from '../../tasks/built-in/registry.ts'
import type { AnyTask } from '../../tasks/task.ts'
import type { TaskGroup } from '../../tasks/yaml/load.ts'
import { auc } from '../choices.ts'
import { groupMetricNames } from '../group-results.ts'
import type { RunResults } from '../results.ts'

export interface Gate {
  /** As it was written. */
  text: string
  /** TASK.METRIC; the task may be a set of several languages or a group of tasks, whose mean is meant. */
  figure: string
  operator: keyof typeof operators
  bound: number
}

export interface GateOutcome {
  gate: string
  passed: boolean
  /** What was found, in words. */
  found: string
}

const operators = {
  '>=': (value: number, bound: number) => value >= bound,
  '<=': (value: number, bound: number) => value <= bound,
  '>': (value: number, bound: number) => value > bound,
  '<': (value: number, bound: number) => value < bound,
}

// Names of filters, which metrics of task files go by too, may have blanks and dots in them.
const form = /^\s*([^<>=]+\.[^<>=]+?)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*$/i

/** Reads TASK.METRIC>=NUMBER. @throws INVALID_ARGUMENT */
export function parseGate(text: string): Gate {
  const [, figure, operator, bound] = form.exec(text) ?? []
  const value = Number(bound)
  if (figure === undefined || !Number.isFinite(value))
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `Expected TASK.METRIC, one of ${oneOf(Object.keys(operators))}, and a number, as in copa.acc>=0.85 (scores are 0 to 1).`,
    )
  return { text: text.trim(), figure, operator: operator as Gate['operator'], bound: value }
}

/** Parts a figure's name at the dot that leaves a task and one of its metrics; else one that leaves a task. */
function parts(figure: string, metrics: ReadonlyMap<string, readonly string[]>) {
  const possible = [...metrics.keys()]
    .filter(name => figure.startsWith(`${name}.`))
    .map(task => ({ task, metric: figure.slice(task.length + 1) }))
  return possible.find(({ task, metric }) => metrics.get(task)!.includes(metric)) ?? possible[0]
}

/** The metrics that a run of these tasks will have, by the task's name or, where a mean is taken, the set's or group's. */
export function gatedMetrics(
  tasks: readonly AnyTask[],
  groups: readonly TaskGroup[],
  protocol: Protocol,
): Map<string, readonly string[]> {
  const metrics = new Map<string, readonly string[]>()
  for (const task of tasks) {
    const form = protocol.form(task)
    const { metrics: names = [], headline = [] } = form ?? {}
    // A headline metric may be one of templates, and none of a sample. Where there are such, F1 is one too.
    const spread = headline.includes('acc_mean') && names.includes('f1') ? spreadNames('f1') : []
    const own = [...names, ...headline, ...spread]
    metrics.set(task.name, [...new Set([...own, ...(mayHaveAuc(form) ? [auc] : [])])])
  }
  for (const set of languageSets) {
    const names = set.averaged.map(language => set.tasks.get(language)!.name)
    if (names.every(name => metrics.has(name))) metrics.set(set.name, metrics.get(names[0]!)!)
  }
  for (const group of groups) {
    const there = group.tasks.flatMap(name => metrics.get(name) ?? [])
    metrics.set(
      group.name,
      group.metrics.flatMap(entry => groupMetricNames(entry, there)).filter(name => there.includes(name)),
    )
  }
  return metrics
}

/** Whether results have the metric where all questions have two choices; those of several templates together do not. */
function mayHaveAuc(form: Form | undefined): boolean {
  if (form?.kind !== 'rank' || form.hasOneChoice) return false
  return form.metrics.includes('acc') && form.headline.every(name => form.metrics.includes(name))
}

/** @throws INVALID_ARGUMENT for a gate whose task or metric is not among these, naming those that are */
export function checkGates(gates: readonly Gate[], metrics: ReadonlyMap<string, readonly string[]>): void {
  for (const { text, figure } of gates) {
    const named = parts(figure, metrics)
    const there = named && metrics.get(named.task)!
    if (there?.includes(named!.metric)) continue
    const found = there
      ? `${named.task} has no metric "${named.metric}"; it has ${there.join(', ')}`
      : `no task "${figure.slice(0, figure.lastIndexOf('.'))}" is run; there are ${[...metrics.keys()].join(', ')}`
    throw new MtLlamaError('INVALID_ARGUMENT', `gate ${text}: ${found}.`)
  }
}

/** The names of the metrics that results have, by the name of the task, set or group. */
export function savedMetrics(results: RunResults): Map<string, readonly string[]> {
  return namesOf(savedFigures(results))
}

type Figures = Map<string, Readonly<Record<string, { value: number }>>>

function namesOf(figures: Figures): Map<string, readonly string[]> {
  return new Map(Array.from(figures, ([name, found]) => [name, Object.keys(found)]))
}

function savedFigures({ tasks, languageMeans, groups = {} }: RunResults): Figures {
  const means = [...Object.entries(languageMeans), ...Object.entries(tasks)]
  return new Map([
    ...Object.entries(groups).map(([name, { figures }]) => [name, figures] as const),
    ...means.map(([name, { metrics }]) => [name, metrics] as const),
  ])
}

/** @param results must have the gate's task, by checkGates() */
export function judgeGate({ text, figure, operator, bound }: Gate, results: RunResults): GateOutcome {
  const figures = savedFigures(results)
  const { task, metric } = parts(figure, namesOf(figures))!
  const value = figures.get(task)![metric]?.value
  if (value === undefined)
    return {
      ...{ gate: text, passed: false },
      found: `${task} has no ${metric}, since its questions are not of two classes or one of two is never right`,
    }
  return { gate: text, passed: operators[operator](value, bound), found: `${figure} is ${value}` }
}
