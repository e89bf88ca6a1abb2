// The tokenizer all files become: find added tokens, normalise, cut into words, BPE each word; and back.
/// <reference lib="es2024.string" />
import { booleanOption, checkOptions } from '../calls/options.ts'
import { drain, type Slices, sliceItems } from '../calls/slices.ts'
import { isArray } from '../calls/text.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import type { AddedTokenFinder } from './added-tokens.ts'
import type { Bpe } from './bpe.ts'
import { maxNormalLength } from './growth.ts'
import type { Normalizer } from './normalizer.ts'
import type { PreTokenizer } from './pre-tokenizer.ts'
import type { Decoding, TokenBytes } from './token-bytes.ts'
import {
  type DecodeOptions,
  type DecodeStream,
  decodeOptionNames,
  type EncodeOptions,
  encodeOptionNames,
  type Tokenizer,
} from './tokenizer.ts'

/** What a file says; all of it is fixed when the tokenizer is made. */
export interface PipelineParts extends Decoding {
  kind: string
  vocabSize: number
  bosTokenId: number | undefined
  eosTokenId: number | undefined
  addBos: boolean
  addsSpace: boolean
  specialTokens: ReadonlyMap<string, number>
  namedTokens: ReadonlyMap<string, string>
  /** The default of EncodeOptions.parseSpecial. */
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
  tokenText(id: number): string
}

/** A text that is being encoded. */
interface EncodeCall {
  text: string
  parseSpecial: boolean
  addSpecialTokens: boolean
  /** The ids that the text has so far. */
  ids: number[]
  /** Characters that what is left of the text may have after normalisation. */
  room: number
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
    const call = this.#begin(text, options)
    return this.#encodeShort(call) ? this.#end(call) : drain(this.#encodeLong(call))
  }

  *encodeSlices(text: string, options?: EncodeOptions): Slices<number[]> {
    const call = this.#begin(text, options)
    return this.#encodeShort(call) ? this.#end(call) : yield* this.#encodeLong(call)
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
    checkOptions(options, decodeOptionNames)
    return this.#parts.newDecodeStream(booleanOption(options, 'skipSpecialTokens', true))
  }

  count(text: string, options?: EncodeOptions): number {
    return this.encode(text, options).length
  }

  tokenText(id: number): string {
    return this.#parts.tokenText(id)
  }

  tokenBytes(): TokenBytes {
    return this.#parts.tokenBytes
  }

  /**
   * Encodes a text without added tokens that is a slice of work, as most are.
   * @returns false for any other, of which nothing is done
   */
  #encodeShort(call: EncodeCall): boolean {
    const isOneSection = call.text.length <= sliceItems && !this.#parts.rawTokens.mayFind(call.text)
    return isOneSection && this.#encodeAtOnce(call, call.text, true)
  }

  *#encodeLong(call: EncodeCall): Slices<number[]> {
    const { text, parseSpecial, ids } = call
    let room = sliceItems
    for (const section of yield* this.#parts.rawTokens.split(text, parseSpecial)) {
      if ('id' in section) ids.push(section.id)
      else {
        const atStart = section.start === 0
        room -= section.text.length
        if (!this.#encodeAtOnce(call, section.text, atStart))
          yield* this.#encodeSection(call, section.text, atStart)
      }
      if (--room > 0) continue
      room = sliceItems
      yield
    }
    return this.#end(call)
  }

  /**
   * Encodes a section between added tokens without a generator, which takes its time.
   * @returns false for a long one, of which nothing is done
   */
  #encodeAtOnce(call: EncodeCall, text: string, atStart: boolean): boolean {
    const { normalize, normalizedTokens, split, bpe } = this.#parts
    if (text.length > sliceItems) return false
    const normal = normalize === undefined ? text : normalize.atOnce(text, atStart, call.room)
    if (normal.length > sliceItems || normalizedTokens.mayFind(normal)) return false
    call.room -= normal.length
    if (normal !== '') bpe.encode(split.cut(normal, atStart), call.ids)
    return true
  }

  *#encodeSection(call: EncodeCall, text: string, atStart: boolean): Slices<void> {
    const { normalize, normalizedTokens, split, bpe } = this.#parts
    const { parseSpecial, ids } = call
    const normal = normalize === undefined ? text : yield* normalize.inSlices(text, atStart, call.room)
    call.room -= normal.length
    for (const section of yield* normalizedTokens.split(normal, parseSpecial)) {
      if ('id' in section) ids.push(section.id)
      else
        for (const words of split.batches(section.text, atStart && section.start === 0)) {
          yield* bpe.encodeInSlices(words, ids)
          yield
        }
    }
  }

  #begin(text: string, options: EncodeOptions | undefined): EncodeCall {
    const { prefix, parsesSpecial } = this.#parts
    if (typeof text !== 'string')
      throw new MtLlamaError('INVALID_ARGUMENT', `the text is a ${typeof text}; expected a string`)
    let parseSpecial = parsesSpecial
    let addSpecialTokens = false
    if (options !== undefined) {
      checkOptions(options, encodeOptionNames)
      parseSpecial = booleanOption(options, 'parseSpecial', parsesSpecial)
      addSpecialTokens = booleanOption(options, 'addSpecialTokens', false)
    }
    const ids = addSpecialTokens ? [...prefix] : []
    // A lone surrogate is no character: UTF-8 could not hold it.
    const own = text.toWellFormed()
    return { text: own, parseSpecial, addSpecialTokens, ids, room: maxNormalLength(own.length) }
  }

  #end({ addSpecialTokens, ids }: EncodeCall): number[] {
    if (addSpecialTokens) for (const id of this.#parts.suffix) ids.push(id)
    return ids
  }
}
