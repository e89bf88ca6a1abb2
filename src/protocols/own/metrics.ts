// The metrics of task files, by the kind of question: what they give of one sample, and how samples are added up.

import type { Aggregation } from '../../metrics/aggregation.ts'
import { FlagProblem, textMetric, textMetricNames } from '../../metrics/registry.ts'
import type { MetricEntry, OutputType, TaskDefinition } from '../../tasks/yaml/definition.ts'
import { mutualInfo } from '../mutual-info.ts'

/** Metrics that need no flags, with their aggregations in lm-evaluation-harness. */
const byType: Readonly<Record<OutputType, Readonly<Record<string, Aggregation | 'mean'>>>> = {
  multiple_choice: {
    ...{ acc: 'mean', acc_norm: 'mean', acc_bytes: 'mean', [mutualInfo]: 'mean' },
    ...{ exact_match: 'mean', f1: 'f1' },
  },
  loglikelihood: { perplexity: 'perplexity', acc: 'mean' },
  loglikelihood_rolling: {
    word_perplexity: 'weighted_perplexity',
    byte_perplexity: 'weighted_perplexity',
    bits_per_byte: 'bits_per_byte',
  },
  generate_until: {},
}

const defaults: Readonly<Record<OutputType, readonly string[]>> = {
  multiple_choice: ['acc', 'acc_norm'],
  loglikelihood: ['perplexity', 'acc'],
  loglikelihood_rolling: ['word_perplexity', 'byte_perplexity', 'bits_per_byte'],
  generate_until: ['exact_match'],
}

export type TextScore = (prediction: string, gold: string) => number

export interface TaskMetrics {
  names: readonly string[]
  aggregations: Readonly<Record<string, Aggregation>>
  /** The score functions of generated texts, by the metric's name. */
  texts: ReadonlyMap<string, TextScore>
}

/** @throws TASK naming file and line of a metric, aggregation or flag that is not known */
export function taskMetrics({
  metrics,
  outputType,
}: Pick<TaskDefinition, 'metrics' | 'outputType'>): TaskMetrics {
  const aggregations: Record<string, Aggregation> = {}
  const texts = new Map<string, TextScore>()
  const names: string[] = []
  const entries = metrics ?? defaults[outputType].map(name => ({ name }))
  for (const entry of entries) {
    const metricsOfType = byType[outputType]
    const own = Object.hasOwn(metricsOfType, entry.name) ? metricsOfType[entry.name] : undefined
    const aggregation = own ?? 'mean'
    if (names.includes(entry.name))
      throw (entry as MetricEntry).value.error(`metric ${entry.name} is there twice`)
    if (outputType === 'generate_until') texts.set(entry.name, textScore(entry))
    else if (own === undefined)
      throw (entry as MetricEntry).value.error(
        `unknown metric ${JSON.stringify(entry.name)} of output_type ${outputType}; there are ${Object.keys(byType[outputType]).join(', ')}`,
      )
    else if ('flags' in entry) refuseFlags(entry, [])
    if ('aggregation' in entry && entry.aggregation && entry.aggregation.plain() !== aggregation)
      throw entry.aggregation.error(
        `aggregation ${JSON.stringify(entry.aggregation.plain())} of ${entry.name} is not supported; expected ${aggregation}`,
      )
    names.push(entry.name)
    if (aggregation !== 'mean') aggregations[entry.name] = aggregation
  }
  return { names, aggregations, texts }
}

function textScore(entry: MetricEntry | { name: string }): TextScore {
  const metric = textMetric(entry.name)
  if (!('flags' in entry)) return metric!.prepare({})
  if (!metric)
    throw entry.value.error(
      `unknown metric ${JSON.stringify(entry.name)} of output_type generate_until; there are ${textMetricNames().join(', ')}, and registerMetric() adds others`,
    )
  refuseFlags(entry, metric.flags ?? [])
  try {
    return metric.prepare(Object.fromEntries([...entry.flags].map(([name, value]) => [name, value.plain()])))
  } catch (error) {
    if (error instanceof FlagProblem) throw entry.value.error(`metric ${entry.name}: ${error.message}`)
    throw error
  }
}

function refuseFlags({ name, flags }: MetricEntry, known: readonly string[]): void {
  for (const [flag, value] of flags)
    if (!known.includes(flag))
      throw value.error(`metric ${name} has no flag "${flag}"; it has ${known.join(', ') || 'none'}`)
}
