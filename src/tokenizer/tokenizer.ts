// What every tokenizer can do, whatever file it came from.
import { optionNames } from '../calls/options.ts'
import type { TokenBytes } from './token-bytes.ts'

export interface EncodeOptions {
  /** Whether to add what the tokenizer adds by itself, such as BOS; prompts get theirs from the model. @default false */
  addSpecialTokens?: boolean
  /**
   * Whether special tokens written in the text (`</s>`) are read as themselves. By default they are, as the file's own
   * library does it; but not for a tokenizer.model to which no file beside it adds tokens, as sentencepiece takes all text as
   * plain, and not where tokenizer_config.json has split_special_tokens.
   */
  parseSpecial?: boolean
}

export const encodeOptionNames = optionNames<EncodeOptions>({ addSpecialTokens: true, parseSpecial: true })

export interface DecodeOptions {
  /** Whether special tokens are left out. @default true */
  skipSpecialTokens?: boolean
}

export const decodeOptionNames = optionNames<DecodeOptions>({ skipSpecialTokens: true })

/** Turns ids into text one at a time; holds back bytes until they are whole characters. */
export interface DecodeStream {
  /** Takes an id and returns the text that is certain after it, which may be ''. */
  push(id: number): string
  /** What end() would return now; the stream goes on. The bytes held back may hold a stop string. */
  pending(): string
  /** Ends the stream and returns what was held back: unfinished bytes as U+FFFD. */
  end(): string
}

export interface Tokenizer {
  /** 'tokenizer.json', 'tokenizer.model' or 'gguf'. */
  readonly kind: string
  /** The number of ids: all ids are below it. */
  readonly vocabSize: number
  readonly bosTokenId: number | undefined
  readonly eosTokenId: number | undefined
  /** Whether scoring and generation put BOS first by default: they do what the tokenizer does by itself. */
  readonly addBos: boolean
  /** Whether a text gets a space before it (▁): a continuation encoded by itself drops one of its own. */
  readonly addsSpace: boolean
  /** The ids of the special tokens by their texts. */
  readonly specialTokens: ReadonlyMap<string, number>
  /** Texts of special tokens by the names that chat templates print them by: bos_token, eos_token and others. */
  readonly namedTokens: ReadonlyMap<string, string>
  /** Encodes a text all at once: a megabyte takes some hundred milliseconds. */
  encode(text: string, options?: EncodeOptions): number[]
  /**
   * Encodes a text in slices of about a millisecond: the generator stops between them, and returns the ids. Calls of a model
   * encode so, to leave the event loop its turns.
   */
  encodeSlices(text: string, options?: EncodeOptions): Generator<undefined, number[], undefined>
  /** Decodes ids. One without a token gives no text. @throws INVALID_ARGUMENT for what is no id */
  decode(ids: ArrayLike<number | bigint>, options?: DecodeOptions): string
  decodeStream(options?: DecodeOptions): DecodeStream
  count(text: string, options?: EncodeOptions): number
  /** The token's own text, for people: byte tokens as <0x0A>. */
  tokenText(id: number): string
  /**
   * What tokens add to a text.
   * @internal
   */
  tokenBytes(): TokenBytes
}
