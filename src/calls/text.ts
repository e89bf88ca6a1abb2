// Texts as callers give them, strings or token ids: checked, and copied, so that a caller may change his arrays later.
import { shown } from '../data/shown.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'

/** A text, or its token ids: integers, as numbers or bigints, in an array or a typed array. */
export type Text = string | ArrayLike<number | bigint>

/** A text that was read; ids are a copy, and within the model's vocabulary. */
export type ReadText = string | Int32Array

/**
 * @param where begins the message of an error: 'prompt 3'
 * @throws INVALID_ARGUMENT for what is neither, or holds something that is no number; TOKEN_OUT_OF_RANGE
 */
export function readText(value: unknown, where: string | Message, vocabSize: number): ReadText {
  if (typeof value === 'string') return value
  // A Buffer is nearly always a text that was not decoded; as ids its bytes would give wrong scores in silence.
  if (Buffer.isBuffer(value))
    throw invalid(message`${where} is a Buffer; expected a text (its toString()) or an array of token ids`)
  if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView)))
    return readIds(value as ArrayLike<unknown>, where, vocabSize)
  throw invalid(message`${where} is ${shown(value)}; expected a text or an array of token ids`)
}

/** Runs `read` on what a caller gave; what its getters and Proxies throw becomes an INVALID_ARGUMENT. */
export function reading<T>(where: string | Message, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof MtLlamaError) throw error
    const why = error instanceof Error ? error.message : shown(error)
    throw new MtLlamaError('INVALID_ARGUMENT', message`${where} cannot be read: ${why}`, { cause: error })
  }
}

function readIds(values: ArrayLike<unknown>, where: string | Message, vocabSize: number): Int32Array {
  const ids = new Int32Array(values.length)
  for (let i = 0; i < ids.length; i++) {
    const value = values[i]
    const id = typeof value === 'bigint' ? Number(value) : value
    if (typeof id !== 'number')
      throw invalid(
        message`${where}: token ${i} is ${kindOf(value)}; expected a token id, an integer from 0 to ${vocabSize - 1}`,
      )
    checkId(id, i, where, vocabSize)
    ids[i] = id
  }
  return ids
}

/** @throws TOKEN_OUT_OF_RANGE */
export function checkId(id: number, index: number, where: string | Message, vocabSize: number): void {
  if (id >= 0 && id < vocabSize && Number.isInteger(id)) return
  throw new MtLlamaError(
    'TOKEN_OUT_OF_RANGE',
    message`${where}: token ${index} is ${id}; ids of this model are 0 to ${vocabSize - 1} (rows of its embedding)`,
  )
}

function kindOf(value: unknown): string {
  return typeof value === 'string' ? `the text ${shown(value)}` : shown(value)
}

function invalid(what: Message): MtLlamaError {
  return new MtLlamaError('INVALID_ARGUMENT', what)
}
