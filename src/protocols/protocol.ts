// Defines what a protocol is: what is asked of a model about an item of a task, and how its answers are judged.
import type { ChatMessage } from '../chat/chat-template.ts'
import type { Aggregation } from '../metrics/aggregation.ts'
import type { AnyTask, Gold, Item, Task } from '../tasks/task.ts'
import type { BoundaryRule } from '../tokenizer/boundary.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

interface AskBase {
  /** The item's id. */
  id: string
  /** The name of the template that made the prompt, where items are asked about in several ways. */
  template?: string
  prompt: string
}

/** Which of some choices is the likeliest after the prompt? */
export interface RankAsk extends AskBase {
  kind: 'rank'
  choices: readonly string[]
  /** Index of the right choice. */
  gold: number
  /** Indices of all right choices, where there are several. */
  golds?: readonly number[]
  /** Index of the choice that stands for class 1 of two, where F1 of this class is asked for. */
  positive?: number
  /**
   * Set where the choices are prompts, which all have the same continuation: the texts before it, one for each choice.
   * `prompt` is then what these begin with alike.
   */
  asPrompts?: { prompts: readonly string[]; continuation: string }
}

/** What does the model write after the prompt? */
export interface GenerateAsk extends AskBase {
  kind: 'generate'
  /** The texts among which a judge looks for the answer; left out where any text may be one. */
  choices?: readonly string[]
  gold: Gold
}

/** How likely is a text as a whole, by itself? The text is the prompt. */
export interface RollAsk extends AskBase {
  kind: 'roll'
}

export type Ask = RankAsk | GenerateAsk | RollAsk

/** An item that is not asked about, or not by one template. */
export interface Skipped {
  kind: 'skipped'
  id: string
  template?: string
  /** Why, in a few words: 'no target'. */
  reason: string
}

/** All log-likelihoods that a judge sees are finite numbers. */
export interface RankAnswer {
  /** One for each choice: the sum over its tokens. */
  logLikelihoods: readonly number[]
  /** Number of tokens of each choice. */
  tokens: readonly number[]
  /** Whether greedy decoding would have given each choice. */
  isGreedy: readonly boolean[]
  /** The log-likelihood of each choice by itself, after the token that an empty prompt stands for, where the form asks for it. */
  unconditional?: readonly number[]
}

/** The log-likelihood that a judge sees is a finite number. */
export interface RollAnswer {
  /** The sum over all tokens of the text. */
  logLikelihood: number
  /** Number of tokens of the text. */
  tokens: number
}

export interface GenerateAnswer {
  /** The model's text as it came, up to what stopped it. */
  generated: string
}

/** What an answer comes to. */
export interface Outcome {
  /** Index of the choice or class that the model has taken, or its text as it was judged. */
  prediction: number | string
  /** One for each of the form's metrics; most are 0 to 1. */
  scores: Readonly<Record<string, number>>
  /** The second number of each metric whose aggregation takes two of each sample: see Aggregation. */
  pairedWith?: Readonly<Record<string, number>>
  /** Set where another choice is as likely: the first of them counts. */
  tied?: true
  /** Set where no class was found in the model's text. */
  failed?: true
}

export interface EncodedPrompt {
  ids: readonly number[]
  /** Tokens that were cut off, since the protocol limits prompts. */
  truncatedTokens: number
}

/** How the prompts of a run are put beside what their task says of them. */
export interface Conversation {
  /** Stands before all else, as the system's message in a chat; '' for none. */
  instruction: string
  /** undefined where prompts are plain texts. */
  chat:
    | {
        /**
         * Renders messages by the checkpoint's template: up to where the answer begins, or within the last message where
         * that is the assistant's.
         */
        render(messages: readonly ChatMessage[]): string
        /** Whether shots are messages of their own. */
        isMultiturn: boolean
      }
    | undefined
}

interface FormBase<A extends Ask, R> {
  /**
   * @param where names the file and the row of the item, for messages of what goes wrong
   * @returns one question an item in most protocols, one a template in others
   */
  asks(item: Item, where?: string): readonly (A | Skipped)[]
  /** Must depend on its arguments alone: saved samples are judged again without a model. */
  judge(ask: A, answer: R): Outcome
  /** The names of all metrics of an outcome. */
  metrics: readonly string[]
  /** Those that stand for the task in tables, in order. */
  headline: readonly string[]
  /** How metrics are made of their scores that are no means. */
  aggregations?: Readonly<Record<string, Aggregation>>
  /**
   * Makes the ids of a prompt; undefined where the model reads it as a text.
   * @default the tokenizer's own way, with its BOS
   */
  encode?: (prompt: string, tokenizer: Tokenizer) => EncodedPrompt | undefined
  /** Decimals of its figures in tables, which are in percent. @default 1 */
  decimals?: 1 | 2
  /** The form with prompts as parts of a conversation; not there where the protocol says how prompts are put. */
  inConversation?: (conversation: Conversation) => Form
}

/** The form of questions that are answered by ranking choices. */
export interface RankForm extends FormBase<RankAsk, RankAnswer> {
  kind: 'rank'
  /** Stands between prompt and choice, and is scored with the choice. */
  delimiter: string
  /** Where a choice begins among the tokens. @default 'joint' */
  boundary?: BoundaryRule
  /** Set where a judge looks at how likely the choices are by themselves. */
  isUnconditionalAsked?: true
  /** Set where a question has one choice alone, whose likelihood is the answer. */
  hasOneChoice?: true
}

/** The form of questions that are answered by greedy generation. */
export interface GenerateForm extends FormBase<GenerateAsk, GenerateAnswer> {
  kind: 'generate'
  maxTokens: number
  /** Texts that end an answer. */
  stop: readonly string[]
  /** Ids that end an answer. @default the checkpoint's EOS ids */
  stopIds?: (tokenizer: Tokenizer) => readonly number[]
  /**
   * Makes the text of an answer, where there is an encode() too.
   * @param prompt the ids that encode() has made
   * @default the text of the new tokens
   */
  decode?: (prompt: readonly number[], newTokens: readonly number[], tokenizer: Tokenizer) => string
}

/** The form of texts whose own likelihood is asked for. */
export interface RollForm extends FormBase<RollAsk, RollAnswer> {
  kind: 'roll'
}

/** How a task is put to a model. */
export type Form = RankForm | GenerateForm | RollForm

export interface Protocol {
  name: string
  /** @returns undefined for a task that the protocol has no form for */
  form(task: AnyTask): Form | undefined
  /**
   * What a reader of results must know of the tokens that prompts begin with and texts end at, where they are not the
   * tokenizer's own BOS and EOS.
   * @throws TOKENIZER for a tokenizer that the protocol cannot work with
   */
  tokenNotes?: (tokenizer: Tokenizer) => readonly string[]
}

/** A row of a protocol's table. */
export interface FormOfTask {
  task: Task
  form: Form
}

/** A protocol that has these forms. */
export function protocolOf(name: string, forms: readonly FormOfTask[]): Protocol {
  const byTask = new Map(forms.map(({ task, form }) => [task.name, form]))
  return { name, form: task => byTask.get(task.name) }
}
