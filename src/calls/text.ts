// Texts as callers give them, strings or token ids: checked, and copied, so that a caller may change his arrays later.
import { shown } from '../data/shown.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'
import { reading, type Where, wordsOf } from './reading.ts'

/** A text, or its token ids: integers, as numbers or bigints, in an array or a typed array. */
export type Text = string | ArrayLike<number | bigint>

/** A text that was read; ids are a copy, and within the model's vocabulary. */
export type ReadText = string | Int32Array

/**
 * @param where begins the message of an error: 'prompt 3'
 * @throws INVALID_ARGUMENT for what is neither, or holds something that is no number; TOKEN_OUT_OF_RANGE
 */
export function readText(value: unknown, where: Where, vocabSize: number): ReadText {
  return typeof value === 'string'
    ? value
    : readArray(value, where, vocabSize, 'a text or an array of token ids')
}

/** Ids where a text would not do. @throws as readText() does */
export function readIds(value: unknown, where: Where, vocabSize: number): Int32Array {
  return readArray(value, where, vocabSize, 'an array of token ids')
}

function readArray(values: unknown, where: Where, vocabSize: number, expected: string): Int32Array {
  return reading(where, () => {
    if (!isArray(values)) throw invalid(message`${wordsOf(where)} is ${shown(values)}; expected ${expected}`)
    // A Buffer is nearly always a text that was not decoded; as ids its bytes would give wrong scores in silence.
    if (Buffer.isBuffer(values))
      throw invalid(message`${wordsOf(where)} is a Buffer; expected ${expected}. Its toString() is a text`)
    const ids = new Int32Array(values.length)
    for (let i = 0; i < ids.length; i++) {
      const value = values[i]
      const id = typeof value === 'bigint' ? Number(value) : value
      if (typeof id !== 'number')
        throw invalid(
          message`${wordsOf(where)}: token ${i} is ${kindOf(value)}; expected a token id, an integer from 0 to ${vocabSize - 1}`,
        )
      checkId(id, i, where, vocabSize)
      ids[i] = id
    }
    return ids
  })
}

/** @throws TOKEN_OUT_OF_RANGE */
export function checkId(id: number, index: number, where: Where, vocabSize: number): void {
  if (id >= 0 && id < vocabSize && Number.isInteger(id)) return
  throw new MtLlamaError(
    'TOKEN_OUT_OF_RANGE',
    message`${wordsOf(where)}: token ${index} is ${id}; ids of this model are 0 to ${vocabSize - 1} (rows of its embedding)`,
  )
}

/** Whether it may hold token ids. */
export function isArray(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
}

function kindOf(value: unknown): string {
  return typeof value === 'string' ? `the text ${shown(value)}` : shown(value)
}

function invalid(what: Message): MtLlamaError {
  return new MtLlamaError('INVALID_ARGUMENT', what)
}
