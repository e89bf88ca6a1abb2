// The tokenizer all files become: find added tokens, normalise, cut into words, BPE each word; and back.
/// <reference lib="es2024.string" />
import { booleanOption, checkOptions } from '../calls/options.ts'
import { drain, type Slices } from '../calls/slices.ts'
import { isArray } from '../calls/text.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import type { AddedTokenFinder } from './added-tokens.ts'
import type { Bpe } from './bpe.ts'
import type { Normalizer } from './normalizer.ts'
import type { PreTokenizer } from './pre-tokenizer.ts'
import type { DecodeOptions, DecodeStream, EncodeOptions, Tokenizer } from './tokenizer.ts'

/** What a file says; all of it is fixed when the tokenizer is made. */
export interface PipelineParts {
  kind: string
  vocabSize: number
  bosTokenId: number | undefined
  eosTokenId: number | undefined
  addBos: boolean
  addsSpace: boolean
  specialTokens: ReadonlyMap<string, number>
  namedTokens: ReadonlyMap<string, string>
  /** Default of EncodeOptions.parseSpecial. */
  parsesSpecial: boolean
  /** Tokens found in the text as it is, and those found after normalisation. */
  rawTokens: AddedTokenFinder
  normalizedTokens: AddedTokenFinder
  normalize: Normalizer | undefined
  split: PreTokenizer
  bpe: Bpe
  /** What `addSpecialTokens` puts around a text. */
  prefix: readonly number[]
  suffix: readonly number[]
  newDecodeStream(skipSpecialTokens: boolean): DecodeStream
  tokenText(id: number): string
}

export class PipelineTokenizer implements Tokenizer {
  readonly kind: string
  readonly vocabSize: number
  readonly bosTokenId: number | undefined
  readonly eosTokenId: number | undefined
  readonly addBos: boolean
  readonly addsSpace: boolean
  readonly specialTokens: ReadonlyMap<string, number>
  readonly namedTokens: ReadonlyMap<string, string>
  readonly #parts: PipelineParts

  constructor(parts: PipelineParts) {
    this.kind = parts.kind
    this.vocabSize = parts.vocabSize
    this.bosTokenId = parts.bosTokenId
    this.eosTokenId = parts.eosTokenId
    this.addBos = parts.addBos
    this.addsSpace = parts.addsSpace
    this.specialTokens = parts.specialTokens
    this.namedTokens = parts.namedTokens
    this.#parts = parts
  }

  encode(text: string, options?: EncodeOptions): number[] {
    return drain(this.encodeSlices(text, options))
  }

  *encodeSlices(text: string, options: EncodeOptions = {}): Slices<number[]> {
    const { prefix, suffix, rawTokens, parsesSpecial } = this.#parts
    if (typeof text !== 'string')
      throw new MtLlamaError('INVALID_ARGUMENT', `the text is a ${typeof text}; expected a string`)
    checkOptions(options)
    const parseSpecial = booleanOption(options, 'parseSpecial', parsesSpecial)
    const addSpecialTokens = booleanOption(options, 'addSpecialTokens', false)
    const ids = addSpecialTokens ? [...prefix] : []
    // A lone surrogate is no character: UTF-8 could not hold it.
    for (const section of yield* rawTokens.split(text.toWellFormed(), parseSpecial)) {
      if ('id' in section) ids.push(section.id)
      else yield* this.#encodeSection(section.text, section.start === 0, parseSpecial, ids)
    }
    if (addSpecialTokens) for (const id of suffix) ids.push(id)
    return ids
  }

  decode(ids: ArrayLike<number | bigint>, options: DecodeOptions = {}): string {
    if (!isArray(ids))
      throw new MtLlamaError('INVALID_ARGUMENT', `the ids are ${shown(ids)}; expected an array of token ids`)
    const stream = this.decodeStream(options)
    let text = ''
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]
      if (typeof id !== 'number' && typeof id !== 'bigint')
        throw new MtLlamaError('INVALID_ARGUMENT', `token ${i} is ${shown(id)}; expected a token id`)
      text += stream.push(Number(id))
    }
    return text + stream.end()
  }

  decodeStream(options: DecodeOptions = {}): DecodeStream {
    checkOptions(options)
    return this.#parts.newDecodeStream(booleanOption(options, 'skipSpecialTokens', true))
  }

  count(text: string, options?: EncodeOptions): number {
    return this.encode(text, options).length
  }

  tokenText(id: number): string {
    return this.#parts.tokenText(id)
  }

  *#encodeSection(text: string, atStart: boolean, parseSpecial: boolean, ids: number[]): Slices<void> {
    const { normalize, normalizedTokens, split, bpe } = this.#parts
    const normal = normalize === undefined ? text : yield* normalize(text, atStart)
    for (const section of yield* normalizedTokens.split(normal, parseSpecial)) {
      if ('id' in section) ids.push(section.id)
      else yield* bpe.encode(yield* split([section.text], atStart && section.start === 0), ids)
    }
  }
}
