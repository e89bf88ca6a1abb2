// What a caller asks of generation and what comes back.
import { optionNames } from '../calls/options.ts'
import type { Priority } from '../calls/priority.ts'
import type { Alternative, TooLong } from '../scoring/request.ts'
import type { Constraint } from './constraint/option.ts'

export interface GenerateOptions {
  /** New tokens a prompt may get. @default 128 */
  maxTokens?: number
  /**
   * Texts of each prompt, from 1 to 128; more than 1 need a temperature above 0, and are not streamed. Text j of a prompt has a
   * seed that depends on (seed, j) alone, which its result names: a call of the same prompts with that seed and without n
   * gives the text by itself. @default 1
   */
  n?: number
  /** Ids that end a text; they are not part of it. Default: the checkpoint's EOS ids. [] generates through EOS. */
  stopIds?: ArrayLike<number | bigint>
  /** Texts, or one, that end a text; it is cut before the first of them. @default [] */
  stop?: string | readonly string[]
  /** 0 is greedy. @default 0 */
  temperature?: number
  /** Sample among the k best tokens; 0 is off. @default 0 */
  topK?: number
  /** Sample among the fewest best tokens whose probabilities reach this; 1 is off. @default 1 */
  topP?: number
  /** Sample among tokens at least this many times as likely as the best one; 0 is off. @default 0 */
  minP?: number
  /**
   * Divides positive logits of tokens that the prompt or the text has already, and multiplies negative ones (Keskar et al.
   * 2019, as transformers has it), from 0.01 to 100; 1 is off, more of it makes repetitions less likely. This and the next
   * three change which token is chosen, greedily too, in their order and before temperature, topK, topP and minP. @default 1
   */
  repetitionPenalty?: number
  /** Subtracted from the logits of tokens that the new text has already, as OpenAI's API has it; from -2 to 2. @default 0 */
  presencePenalty?: number
  /** Subtracted as many times as the new text has the token, as OpenAI's API has it; from -2 to 2. @default 0 */
  frequencyPenalty?: number
  /**
   * Added to the logits of tokens, by their ids: -100 to 100, of which -100 all but bans a token and 100 all but makes it
   * the only one, as in OpenAI's API; -Infinity bans it. A Map, or an object of numbers. @default {}
   */
  logitBias?: ReadonlyMap<number, number> | Readonly<Record<string, number>>
  /**
   * What the whole text must be, a match of a regular expression or JSON for a schema: of the tokens those alone are chosen
   * among that lead on to it, before temperature, topK, topP and minP, greedily too. Stop ids come where the text is complete,
   * and it ends by itself ('stop') where nothing can follow; a text that maxTokens cuts ('length') may be incomplete. Needs a
   * tokenizer. @default none
   */
  constraint?: Constraint
  /** Alternatives to report per new token: the best so many by the model itself, whatever is chosen. @default 0 */
  topLogProbs?: number
  /**
   * Prompt i of a call samples from a stream that depends on (seed, i) alone. Default: a random one for each call, which
   * its results name, so that a call with it gives the same again.
   */
  seed?: number
  /** Put BOS before the prompt. Default: what the tokenizer does by itself for a text, never for ids. */
  addBos?: boolean
  /** Read special tokens written in texts (`</s>`) as themselves. @default true */
  parseSpecial?: boolean
  /** Leave special tokens out of the text. @default true */
  skipSpecialTokens?: boolean
  /**
   * 'error' ends the call with CONTEXT_LENGTH where a prompt leaves no room for a single new token; a text that fills the
   * context ends there. The other policies make room for all of maxTokens by cutting the prompt, or skip it. @default 'error'
   */
  tooLong?: TooLong
  /**
   * Go on where the log-probability of a new token is NaN or infinite: what is chosen then means nothing. Otherwise the
   * call ends with SCORE_NOT_FINITE. @default false
   */
  allowNan?: boolean
  /** Which of the calls that overlap go first. @default 'normal' */
  priority?: Priority
  /** Rejects with ABORTED, unless partialOnAbort is set; other calls go on. */
  signal?: AbortSignal
  /**
   * Give what there is once the signal fires: texts that have not ended have the finishReason 'aborted', and so have those of
   * an array's prompts that had not begun. Of another source no more prompts are read. @default false
   */
  partialOnAbort?: boolean
  /** Called after each step. */
  onProgress?: (progress: GenerateProgress) => void
}

export const generateOptionNames = optionNames<GenerateOptions>({
  maxTokens: true,
  n: true,
  stopIds: true,
  stop: true,
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  repetitionPenalty: true,
  presencePenalty: true,
  frequencyPenalty: true,
  logitBias: true,
  constraint: true,
  topLogProbs: true,
  seed: true,
  addBos: true,
  parseSpecial: true,
  skipSpecialTokens: true,
  tooLong: true,
  allowNan: true,
  priority: true,
  signal: true,
  partialOnAbort: true,
  onProgress: true,
})

export interface GenerateProgress {
  promptsDone: number
  /** Known once the prompts have been read to their end; from the start for an array. */
  promptsTotal: number | undefined
  /** Tokens the model has run, of prompts and new ones. */
  tokensDone: number
  /** Prompts that were read so far. */
  promptsPlanned: number
  /**
   * Tokens that these may take. Of a text that has not ended those of its prompt count, and as many new ones as texts have
   * had that have ended; before the first has, as many as it may have.
   */
  tokensPlanned: number
  /** tokensDone per second since the call. */
  tokensPerSecond: number
}

/** A text that was generated. */
export interface GeneratedText {
  /** The new text, without the stop string that ended it. Needs a tokenizer; '' for a model without one. */
  text: string
  /** The new tokens without the stop id that ended them; tokens of a stop string are included. */
  tokens: number[]
  /**
   * 'stop': a stop id or string, or the end of what the constraint lets a text be. 'length': maxTokens. 'context': the context is full. 'skipped': by `tooLong`. 'aborted': by
   * the signal, under `partialOnAbort`.
   */
  finishReason: 'stop' | 'length' | 'context' | 'skipped' | 'aborted'
  /** Log-probability of each of `tokens` by the model itself: before penalties, logitBias, constraint, temperature and all filters. */
  logProbs: number[]
  /**
   * Where topLogProbs was asked for: per new token the best k, best first, with the log-probabilities that score() gives
   * them.
   */
  topAlternatives?: Alternative[][]
  /** The seed that the text was sampled with, given or drawn; none where it was greedy, skipped or not begun. */
  seed?: number
}

/** What follows a prompt: the text, or the first of several. */
export interface GenerateResult extends GeneratedText {
  /** Tokens cut from the prompt by `tooLong`. */
  truncatedTokens: number
  /** Where n is above 1: all texts of the prompt, the first among them; none where it was skipped or not begun. */
  choices?: GeneratedText[]
}
