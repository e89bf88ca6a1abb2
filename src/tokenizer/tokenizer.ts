// What every tokenizer can do, whatever file it came from.

export interface EncodeOptions {
  /** Add what the tokenizer adds by itself (BOS, say). Default false: prompts get their BOS from the model. */
  addSpecialTokens?: boolean
  /**
   * Read special tokens written in the text (`</s>`) as themselves. Default as the file's own library does: true, but
   * false for a tokenizer.model to which no file beside it adds tokens, as sentencepiece takes all text as plain, and where
   * tokenizer_config.json has split_special_tokens.
   */
  parseSpecial?: boolean
}

export interface DecodeOptions {
  /** Leave special tokens out. Default true. */
  skipSpecialTokens?: boolean
}

/** Turns ids into text one at a time; holds back bytes until they are whole characters. */
export interface DecodeStream {
  /** Text that is certain after this id, perhaps ''. */
  push(id: number): string
  /** What `end` would return now; the stream goes on. For stop strings: the bytes held back may hold one. */
  pending(): string
  /** What is left: unfinished bytes as U+FFFD. */
  end(): string
}

export interface Tokenizer {
  /** 'tokenizer.json', 'tokenizer.model' or 'gguf'. */
  readonly kind: string
  /** Ids are below this. */
  readonly vocabSize: number
  readonly bosTokenId: number | undefined
  readonly eosTokenId: number | undefined
  /** Whether scoring and generation put BOS first by default (design: what the tokenizer does by itself). */
  readonly addBos: boolean
  /** Whether a text gets a space before it (▁): a continuation encoded by itself drops one of its own. */
  readonly addsSpace: boolean
  /** Text of each special token -> id. */
  readonly specialTokens: ReadonlyMap<string, number>
  /** Texts of special tokens by the names that chat templates print them by: bos_token, eos_token and others. */
  readonly namedTokens: ReadonlyMap<string, string>
  /** All at once: a megabyte of text takes some hundred milliseconds. */
  encode(text: string, options?: EncodeOptions): number[]
  /**
   * The same in slices of about a millisecond: a generator that stops between them, and returns the ids. Calls of a model
   * encode so, to leave the event loop its turns.
   */
  encodeSlices(text: string, options?: EncodeOptions): Generator<undefined, number[], undefined>
  /** Ids without a token give no text. @throws INVALID_ARGUMENT for what is no id */
  decode(ids: ArrayLike<number | bigint>, options?: DecodeOptions): string
  decodeStream(options?: DecodeOptions): DecodeStream
  count(text: string, options?: EncodeOptions): number
  /** The token's own text, for people: byte tokens as <0x0A>. */
  tokenText(id: number): string
}
