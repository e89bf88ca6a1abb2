// Gates: what must hold of a run's results, such as copa.acc>=0.85.
import { MtLlamaError, oneOf } from '../../errors.ts'
import type { Protocol } from '../../protocols/protocol.ts'
import { languageSets } from '../../tasks/built-in/registry.ts'
import type { AnyTask } from '../../tasks/task.ts'
import type { TaskGroup } from '../../tasks/yaml/load.ts'
import { groupMetricNames } from '../group-results.ts'
import type { RunResults } from '../results.ts'

export interface Gate {
  /** As it was written. */
  text: string
  /** The name of a task, or of a set of several languages or a group of tasks, whose mean is meant. */
  task: string
  metric: string
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

const form = /^\s*([^\s<>=]+)\.([^\s.<>=]+)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*$/i

/** Reads TASK.METRIC>=NUMBER. @throws INVALID_ARGUMENT */
export function parseGate(text: string): Gate {
  const [, task, metric, operator, bound] = form.exec(text) ?? []
  const value = Number(bound)
  if (task === undefined || !Number.isFinite(value))
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `Expected TASK.METRIC, one of ${oneOf(Object.keys(operators))}, and a number, as in copa.acc>=0.85 (scores are 0 to 1).`,
    )
  return { text: text.trim(), task, metric: metric!, operator: operator as Gate['operator'], bound: value }
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
    // A headline metric may be one of templates, and none of a sample.
    metrics.set(task.name, [...new Set([...(form?.metrics ?? []), ...(form?.headline ?? [])])])
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

/** @throws INVALID_ARGUMENT for a gate whose task or metric is not among these, naming those that are */
export function checkGates(gates: readonly Gate[], metrics: ReadonlyMap<string, readonly string[]>): void {
  for (const { text, task, metric } of gates) {
    const there = metrics.get(task)
    if (there?.includes(metric)) continue
    const found = there
      ? `${task} has no metric "${metric}"; it has ${there.join(', ')}`
      : `no task "${task}" is run; there are ${[...metrics.keys()].join(', ')}`
    throw new MtLlamaError('INVALID_ARGUMENT', `gate ${text}: ${found}.`)
  }
}

/** The metrics that results have, by the name of the task, set or group. */
export function savedFigures({
  tasks,
  languageMeans,
  groups = {},
}: RunResults): Map<string, Readonly<Record<string, { value: number }>>> {
  const means = [...Object.entries(languageMeans), ...Object.entries(tasks)]
  return new Map([
    ...Object.entries(groups).map(([name, { figures }]) => [name, figures] as const),
    ...means.map(([name, { metrics }]) => [name, metrics] as const),
  ])
}

/** @param results must have the gate's task, by checkGates() */
export function judgeGate({ text, task, metric, operator, bound }: Gate, results: RunResults): GateOutcome {
  const { value } = savedFigures(results).get(task)![metric]!
  return { gate: text, passed: operators[operator](value, bound), found: `${task}.${metric} is ${value}` }
}
