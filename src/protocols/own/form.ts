// How the tasks of task files are put to a model and judged, as lm-evaluation-harness does it.
import { pythonSpaces } from '../../data/white-space.ts'
import { MtLlamaError } from '../../errors.ts'
import { perByte, perCharacter, rank } from '../../metrics/accuracy.ts'
import type { Item } from '../../tasks/task.ts'
import type { TaskDefinition } from '../../tasks/yaml/definition.ts'
import type { Docs } from '../../tasks/yaml/doc.ts'
import type { DocFields } from '../../tasks/yaml/task.ts'
import { asMessages, endsWithSpace, plainText, type Turn } from '../../tasks/yaml/turns.ts'
import { likeliestByMutualInfo, mutualInfo } from '../mutual-info.ts'
import type {
  Conversation,
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
export type Wording = Pick<Docs, 'turns' | 'wrongTarget'>

/** What decides how a task is put to a model, beside its words. */
export interface Manner
  extends Pick<TaskDefinition, 'outputType' | 'metrics' | 'targetDelimiter' | 'generation'> {
  /** undefined where texts are judged as they come. */
  pipelines: readonly Filter[] | undefined
  /** The beginning of answers as the task file has it: the name of a field, or a template. '' where there is none. */
  prefix: string
}

/** @throws TASK naming file and line of what is not known or not supported */
export function formOfDefinition(definition: TaskDefinition, docs: Docs): Form {
  const { filters, outputType } = definition
  if (filters && outputType !== 'generate_until')
    throw filters[0]!.steps[0]!.value.error(
      `filters are for output_type generate_until; the task has ${outputType}`,
    )
  const prefix = definition.prefix?.text ?? ''
  return formOf({ ...definition, pipelines: filters?.map(makeFilter), prefix }, docs)
}

const plain: Conversation = { instruction: '', chat: undefined }

export function formOf(manner: Manner, docs: Wording, conversation = plain): Form {
  const metrics = taskMetrics(manner)
  const prompts = new Prompts(docs, conversation)
  const inConversation = (other: Conversation) => formOf(manner, docs, other)
  switch (manner.outputType) {
    case 'multiple_choice':
      return { ...choiceForm(manner, prompts, metrics), inConversation }
    case 'loglikelihood':
      return { ...continuationForm(prompts, metrics), inConversation }
    case 'loglikelihood_rolling':
      // A text that is scored as a whole is no part of a conversation, in the harness either.
      return { ...rollForm(metrics), inConversation }
    case 'generate_until':
      return { ...generateForm(manner, prompts, metrics), inConversation }
  }
}

/** Makes the prompts of rows. */
class Prompts {
  readonly docs: Wording
  readonly isChat: boolean
  readonly #conversation: Conversation

  constructor(docs: Wording, conversation: Conversation) {
    this.docs = docs
    this.isChat = conversation.chat !== undefined
    this.#conversation = conversation
  }

  /** @param prompt stands in the place of the row's question, where choices are prompts */
  of({ row, index }: DocFields, prompt?: string): string {
    const { instruction } = this.#conversation
    return this.#text(this.docs.turns(row, index, instruction, prompt))
  }

  #text(turns: readonly Turn[]): string {
    const { chat } = this.#conversation
    return chat ? chat.render(asMessages(turns, chat.isMultiturn)) : plainText(turns)
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

function choiceForm({ targetDelimiter, prefix }: Manner, prompts: Prompts, metrics: TaskMetrics): RankForm {
  // A template ends a turn by itself; the harness asks of the prefix as it is written, and not as it is rendered.
  const isDelimited = !prompts.isChat || (prefix !== '' && !endsWithSpace(prefix))
  return {
    kind: 'rank',
    ...base(metrics),
    headline: metrics.names.slice(0, 1),
    delimiter: isDelimited ? targetDelimiter : '',
    boundary: 'harness',
    ...(metrics.names.includes(mutualInfo) && { isUnconditionalAsked: true }),
    asks(item): RankAsk[] {
      const fields = fieldsOf(item)
      const { row, golds, choices, continuation } = fields
      if (metrics.names.includes('f1') && choices!.length !== 2)
        throw prompts.docs.wrongTarget(row, choices!, 'two choices, since f1 is of two classes')
      const asked = {
        ...{ id: item.id, choices: choices!, gold: golds[0] as number },
        ...(golds.length > 1 && { golds: golds as number[] }),
      }
      if (continuation === undefined) return [{ kind: 'rank', ...asked, prompt: prompts.of(fields) }]
      const asPrompts = { prompts: choices!.map(choice => prompts.of(fields, choice)), continuation }
      return [{ kind: 'rank', ...asked, prompt: sharedStart(asPrompts.prompts), asPrompts }]
    },
    judge: (ask, answer) => judgeChoices(ask, answer, metrics),
  }
}

/** What all texts begin with; no character is cut in two. */
function sharedStart([first = '', ...others]: readonly string[]): string {
  let start = ''
  for (const character of first) {
    if (!others.every(other => other.startsWith(character, start.length))) break
    start += character
  }
  return start
}

function judgeChoices(ask: RankAsk, answer: RankAnswer, { names }: TaskMetrics): Outcome {
  const { choices, gold, golds = [gold] } = ask
  if (names.includes('f1') && choices.length !== 2)
    throw new MtLlamaError(
      'TASK',
      `sample ${JSON.stringify(ask.id)} has ${choices.length} choices; f1 is of two classes.`,
    )
  const { logLikelihoods, isGreedy } = answer
  const { prediction, tied } = rank(logLikelihoods)
  const right = (choice: number) => Number(golds.includes(choice))
  const all: Record<string, () => number> = {
    acc: () => right(prediction),
    acc_norm: () => right(rank(perCharacter(logLikelihoods, choices)).prediction),
    acc_bytes: () => right(rank(perByte(logLikelihoods, choices)).prediction),
    [mutualInfo]: () => right(likeliestByMutualInfo(answer)),
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
function continuationForm(prompts: Prompts, metrics: TaskMetrics): RankForm {
  return {
    kind: 'rank',
    ...base(metrics),
    delimiter: '',
    boundary: 'harness',
    hasOneChoice: true,
    asks(item): RankAsk[] {
      const fields = fieldsOf(item)
      const choices = [fields.golds[0] as string]
      return [{ kind: 'rank', id: item.id, prompt: prompts.of(fields), choices, gold: 0 }]
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

function generateForm(
  { generation, pipelines }: Manner,
  prompts: Prompts,
  metrics: TaskMetrics,
): GenerateForm {
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
      const fields = fieldsOf(item)
      const gold = fields.golds as string[]
      return [{ kind: 'generate', id: item.id, prompt: prompts.of(fields), gold }]
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
