// How the tasks of task files are put to a model and judged, as lm-evaluation-harness does it.
import { pythonSpaces } from '../../data/white-space.ts'
import { perByte, perCharacter, rank } from '../../metrics/accuracy.ts'
import type { Item } from '../../tasks/task.ts'
import type { TaskDefinition } from '../../tasks/yaml/definition.ts'
import type { Docs } from '../../tasks/yaml/doc.ts'
import type { DocFields } from '../../tasks/yaml/task.ts'
import type {
  Form,
  GenerateAsk,
  GenerateForm,
  Outcome,
  RankAnswer,
  RankAsk,
  RankForm,
  RollAsk,
  RollForm,
  Skipped,
} from '../protocol.ts'
import { type Filter, makeFilter } from './filters.ts'
import { type TaskMetrics, taskMetrics } from './metrics.ts'

/** How the rows of a task are put into words. */
export type Wording = Pick<Docs, 'context' | 'wrongTarget'>

/** What decides how a task is put to a model, beside its words. */
export interface Manner
  extends Pick<TaskDefinition, 'outputType' | 'metrics' | 'targetDelimiter' | 'generation'> {
  /** undefined where texts are judged as they come. */
  pipelines: readonly Filter[] | undefined
}

/** @throws TASK naming file and line of what is not known or not supported */
export function formOfDefinition(definition: TaskDefinition, docs: Docs): Form {
  const { filters, outputType } = definition
  if (filters && outputType !== 'generate_until')
    throw filters[0]!.steps[0]!.value.error(
      `filters are for output_type generate_until; the task has ${outputType}`,
    )
  return formOf({ ...definition, pipelines: filters?.map(makeFilter) }, docs)
}

export function formOf(manner: Manner, docs: Wording): Form {
  const metrics = taskMetrics(manner)
  switch (manner.outputType) {
    case 'multiple_choice':
      return choiceForm(manner, docs, metrics)
    case 'loglikelihood':
      return continuationForm(docs, metrics)
    case 'loglikelihood_rolling':
      return rollForm(metrics)
    case 'generate_until':
      return generateForm(manner, docs, metrics)
  }
}

const fieldsOf = ({ fields }: Item) => fields as unknown as DocFields

function base({ names, aggregations }: TaskMetrics) {
  return {
    metrics: names,
    headline: names,
    ...(Object.keys(aggregations).length > 0 && { aggregations }),
  }
}

function choiceForm({ targetDelimiter }: Manner, docs: Wording, metrics: TaskMetrics): RankForm {
  return {
    kind: 'rank',
    ...base(metrics),
    headline: metrics.names.slice(0, 1),
    delimiter: targetDelimiter,
    boundary: 'harness',
    asks(item): RankAsk[] {
      const { row, index, golds, choices } = fieldsOf(item)
      if (metrics.names.includes('f1') && choices!.length !== 2)
        throw docs.wrongTarget(row, choices!, 'two choices, since f1 is of two classes')
      return [
        {
          kind: 'rank',
          id: item.id,
          prompt: docs.context(row, index),
          choices: choices!,
          gold: golds[0] as number,
          ...(golds.length > 1 && { golds: golds as number[] }),
        },
      ]
    },
    judge: (ask, answer) => judgeChoices(ask, answer, metrics),
  }
}

function judgeChoices(ask: RankAsk, answer: RankAnswer, { names }: TaskMetrics): Outcome {
  const { choices, gold, golds = [gold] } = ask
  const { logLikelihoods, isGreedy } = answer
  const { prediction, tied } = rank(logLikelihoods)
  const right = (choice: number) => Number(golds.includes(choice))
  const all: Record<string, () => number> = {
    acc: () => right(prediction),
    acc_norm: () => right(rank(perCharacter(logLikelihoods, choices)).prediction),
    acc_bytes: () => right(rank(perByte(logLikelihoods, choices)).prediction),
    exact_match: () => Number(golds.some(choice => isGreedy[choice])),
    f1: () => Number(prediction === 1),
  }
  return {
    prediction,
    scores: Object.fromEntries(names.map(name => [name, all[name]!()])),
    ...(names.includes('f1') && { pairedWith: { f1: Number(gold === 1) } }),
    ...(tied && { tied }),
  }
}

/** One continuation, whose likelihood is the answer. */
function continuationForm(docs: Wording, metrics: TaskMetrics): RankForm {
  return {
    kind: 'rank',
    ...base(metrics),
    delimiter: '',
    boundary: 'harness',
    asks(item): RankAsk[] {
      const { row, index, golds } = fieldsOf(item)
      return [
        {
          ...{ kind: 'rank', id: item.id, prompt: docs.context(row, index) },
          choices: [golds[0] as string],
          gold: 0,
        },
      ]
    },
    judge: (_, { logLikelihoods, isGreedy }) => {
      const all: Record<string, number> = { perplexity: logLikelihoods[0]!, acc: Number(isGreedy[0]) }
      return { prediction: 0, scores: Object.fromEntries(metrics.names.map(name => [name, all[name]!])) }
    },
  }
}

function rollForm(metrics: TaskMetrics): RollForm {
  return {
    kind: 'roll',
    ...base(metrics),
    asks(item): (RollAsk | Skipped)[] {
      const { golds } = fieldsOf(item)
      const prompt = golds[0] as string
      if (prompt === '') return [{ kind: 'skipped', id: item.id, reason: 'empty text' }]
      return [{ kind: 'roll', id: item.id, prompt }]
    },
    judge: ({ prompt }, { logLikelihood }) => {
      const words = prompt.split(pythonSpaces).length
      const bytes = Buffer.byteLength(prompt)
      const partners: Record<string, number> = {
        word_perplexity: words,
        byte_perplexity: bytes,
        bits_per_byte: bytes,
      }
      const of = (value: (name: string) => number) =>
        Object.fromEntries(metrics.names.map(name => [name, value(name)]))
      return {
        prediction: prompt.length,
        scores: of(() => logLikelihood),
        pairedWith: of(name => partners[name]!),
      }
    },
  }
}

const asItIs: Filter = { name: 'none', apply: text => ({ text }) }

function generateForm({ generation, pipelines }: Manner, docs: Wording, metrics: TaskMetrics): GenerateForm {
  const filters = pipelines ?? [asItIs]
  /** A metric of a text that a filter has made goes by the names of both. */
  const nameOf = (metric: string, filter: string) => (pipelines ? `${metric},${filter}` : metric)
  const names = filters.flatMap(({ name }) => metrics.names.map(metric => nameOf(metric, name)))
  return {
    kind: 'generate',
    metrics: names,
    headline: names,
    maxTokens: generation.maxTokens,
    stop: generation.stop,
    asks(item): GenerateAsk[] {
      const { row, index, golds } = fieldsOf(item)
      return [{ kind: 'generate', id: item.id, prompt: docs.context(row, index), gold: golds as string[] }]
    },
    judge: ({ gold }, { generated }) => {
      const filtered = filters.map(filter => ({ name: filter.name, ...filter.apply(generated) }))
      const scores: Record<string, number> = {}
      for (const { name, text } of filtered)
        for (const [metric, score] of metrics.texts)
          scores[nameOf(metric, name)] = Math.max(
            ...(gold as readonly string[]).map(right => score(text, right)),
          )
      return {
        prediction: filtered[0]!.text,
        scores,
        ...(filtered.every(({ failed }) => failed) && { failed: true as const }),
      }
    },
  }
}
