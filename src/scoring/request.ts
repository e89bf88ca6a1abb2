// What a caller asks of scoring and what comes back.
import { optionNames } from '../calls/options.ts'
import type { Priority } from '../calls/priority.ts'
import type { Text } from '../calls/text.ts'
import type { BoundaryRule } from '../tokenizer/boundary.ts'
import type { ScoreCache } from './cache.ts'

/** A prompt and the texts that may follow it. Strings are tokenised by the model's tokenizer; ids are taken as they are. */
export interface ScoreRequest {
  prompt: Text
  /**
   * At least one; none may be empty. The texts are joined as they are, so a word that follows the prompt begins with a
   * space: after "The sky is" that is " blue", and "blue" would be scored as the end of "isblue". SmolLM2-135M gives " blue" a
   * log-likelihood of -4.7 there, "blue" one of -14.0. After a prompt that ends in white space, such as a line's end or a
   * chat template's, a word begins without a space.
   */
  continuations: readonly Text[]
}

/**
 * What to do with a prompt and continuation that need more positions than the context has:
 * - 'error': CONTEXT_LENGTH, naming the request;
 * - 'truncate-left': drop tokens at the start of the prompt (an added BOS stays);
 * - 'truncate-right': drop tokens at the end of the prompt;
 * - 'skip': leave the whole request unscored.
 * A continuation that is longer than the context by itself is an error under both truncations.
 */
export type TooLong = 'error' | 'truncate-left' | 'truncate-right' | 'skip'

export const tooLongPolicies: readonly TooLong[] = ['error', 'truncate-left', 'truncate-right', 'skip']

export interface ScoreProgress {
  /** Requests answered. */
  requestsDone: number
  /** Known once the requests have been read to their end; from the start for an array. */
  requestsTotal: number | undefined
  /** Tokens the model has run, each prefix that the requests share once. What they share with other calls counts in each. */
  tokensDone: number
  /** Known once all requests have been read and planned. */
  tokensTotal: number | undefined
  /** Requests that were read and planned so far. */
  requestsPlanned: number
  /** Tokens that these take, each shared prefix once: from the first pack on it tells what all requests may take. */
  tokensPlanned: number
  /** tokensDone per second since the call. */
  tokensPerSecond: number
}

export interface ScoreOptions {
  /**
   * Where a continuation begins among the tokens of two texts, for a token may reach across the boundary. 'joint' scores
   * such a token, 'harness' cuts as lm-evaluation-harness does, 'separate' encodes the two apart. The rules differ only where
   * a token does reach across, as when the prompt ends with a space. Token ids fix the boundary by themselves.
   * @default 'joint'
   */
  boundary?: BoundaryRule
  /**
   * Put BOS before the prompt. Default: what the tokenizer does by itself for a text, never for ids.
   * A prompt that begins with BOS gets no second one. An empty prompt is scored after BOS, else EOS, whatever this says.
   */
  addBos?: boolean
  /** Read special tokens written in texts (`</s>`) as themselves. @default true */
  parseSpecial?: boolean
  /**
   * What to do with a prompt and continuation that need more positions than the context has: end the call, cut the prompt,
   * or leave the request out. ScoreResult says what was cut or left out. @default 'error'
   */
  tooLong?: TooLong
  /** Alternatives to report per scored token. @default 0 */
  topK?: number
  /**
   * Scores of earlier calls and runs by this model (Model.openScoreCache()): what is known is not run again, and what is not
   * is added. Left aside where topK is asked for. @default none
   */
  cache?: ScoreCache
  /** Which of the calls that overlap go first. @default 'normal' */
  priority?: Priority
  /** Rejects with ABORTED; other calls go on. */
  signal?: AbortSignal
  /** Called after each pack of tokens, and four times a second while one runs. */
  onProgress?: (progress: ScoreProgress) => void
}

export const scoreOptionNames = optionNames<ScoreOptions>({
  boundary: true,
  topK: true,
  addBos: true,
  parseSpecial: true,
  tooLong: true,
  cache: true,
  priority: true,
  signal: true,
  onProgress: true,
})

export interface Alternative {
  token: number
  logProb: number
}

export interface ContinuationScore {
  /**
   * Natural log of the continuation's probability given the prompt: the sum of tokenLogProbs. NaN where a value of the
   * model has overflowed, or its checkpoint is broken; -Infinity for a token of probability 0.
   */
  logLikelihood: number
  /** [tokens.length], float32 numbers. */
  tokenLogProbs: number[]
  /** Whether greedy decoding would have produced exactly these tokens; false where their log-probabilities are NaN. */
  isGreedy: boolean
  /** The scored tokens. Under 'joint' they may begin inside the prompt's text. */
  tokens: number[]
  /** Where topK was asked for: per scored token the best k, best first. */
  topAlternatives?: Alternative[][]
}

export interface ScoreResult {
  /** In the order of the request's continuations; empty where the request was skipped. */
  continuations: ContinuationScore[]
  /** Tokens cut from the prompt by a truncation, the most over the continuations. */
  truncatedTokens: number
  /** Too long, and `tooLong: 'skip'` was asked for. */
  skipped: boolean
}
