// What a caller asks of embeddings and what comes back.
import { optionNames } from '../calls/options.ts'
import type { Priority } from '../calls/priority.ts'
import type { Pooling } from '../native/types.ts'
import type { TooLong } from '../scoring/request.ts'

export interface EmbedOptions {
  /**
   * How the final hidden states of a text, after the last norm, become one vector: 'mean' over all its tokens, BOS among
   * them, or that of its 'last', which alone has seen the whole text. @default 'mean'
   */
  pooling?: Pooling
  /** Scale each vector to length 1, so that a dot product is the cosine. @default true */
  normalize?: boolean
  /** Put BOS before a text. Default: what the tokenizer does by itself for a text, never for ids. */
  addBos?: boolean
  /** Read special tokens written in texts (`</s>`) as themselves. @default true */
  parseSpecial?: boolean
  /** What to do with a text that needs more positions than the context has, as in ScoreOptions. @default 'error' */
  tooLong?: TooLong
  /** Which of the calls that overlap go first; among embeddings, 'high' before the others. @default 'normal' */
  priority?: Priority
  /** Rejects with ABORTED; other calls go on. */
  signal?: AbortSignal
  /** Called after each pack of tokens. */
  onProgress?: (progress: EmbedProgress) => void
}

export const embedOptionNames = optionNames<EmbedOptions>({
  pooling: true,
  normalize: true,
  addBos: true,
  parseSpecial: true,
  tooLong: true,
  priority: true,
  signal: true,
  onProgress: true,
})

export interface EmbedProgress {
  /** Texts answered. */
  textsDone: number
  /** Known once the texts have been read to their end; from the start for an array. */
  textsTotal: number | undefined
  tokensDone: number
  /** tokensDone per second since the call. */
  tokensPerSecond: number
}

export interface EmbedResult {
  /** [hiddenSize], float32 numbers; empty where the text was skipped. NaN where a value of the model has overflowed. */
  embedding: number[]
  /** Tokens that were run. */
  tokens: number
  /** Tokens cut from the text by a truncation. */
  truncatedTokens: number
  /** Too long, and `tooLong: 'skip'` was asked for. */
  skipped: boolean
}
