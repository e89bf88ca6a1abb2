// The fields of a checkpoint's config: sizes, numbers, token ids.
import { boolean, FieldReader, kind, object, positiveNumber, wholeNumber } from '../data/fields.ts'
import { MtLlamaError } from '../errors.ts'

/**
 * Above any size of a model that exists. Products of two stay below 2^53, and nothing is allocated by a size before the
 * tensors have been seen to have it, except a table of contextLength * headDim / 2 rotations.
 */
const size = wholeNumber(1, 2 ** 24)

/** Above any model's. A list with an entry for each may be made before the tensors have been seen to be so many. */
const layerCount = wholeNumber(1, 2 ** 16)

/** Ids are int32 in native code. */
const tokenId = wholeNumber(0, 2 ** 31 - 1)

const tokenIds = kind(
  'a token id, a list of them, or null',
  (value): value is number | number[] =>
    tokenId.is(value) || (Array.isArray(value) && value.every(tokenId.is)),
)

export class Fields extends FieldReader {
  /** A positive whole number. @param fallback counts where the field is absent or null; without one, that is an error */
  size(name: string, fallback?: number): number {
    return this.read(name, size, fallback)
  }

  /** The number of a model's layers. */
  layers(name: string): number {
    return this.read(name, layerCount)
  }

  /** A positive, finite number. @param fallback counts where the field is absent or null; without one, that is an error */
  positive(name: string, fallback?: number): number {
    return this.read(name, positiveNumber, fallback)
  }

  boolean(name: string, fallback: boolean): boolean {
    return this.read(name, boolean, fallback)
  }

  /** A token id, a list of them, or null for none. */
  tokenIds(name: string): number[] {
    return [this.read(name, tokenIds, [])].flat()
  }

  /** The fields of an object in this one. */
  object(name: string): Fields {
    return new Fields(this.read(name, object), `${this.where}, ${name}`)
  }

  /** A value that makes no sense. */
  corrupt(name: string, why: string): MtLlamaError {
    return this.error(this.message(name, why))
  }

  /** A value that makes sense, but not here. */
  unsupported(name: string, why: string): MtLlamaError {
    return new MtLlamaError('CHECKPOINT_UNSUPPORTED', this.message(name, why))
  }

  protected error(message: string): MtLlamaError {
    return new MtLlamaError('CHECKPOINT_CORRUPT', message)
  }
}
