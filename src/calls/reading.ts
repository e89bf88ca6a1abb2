// Reads values that a caller made, whatever code of his runs by that.
import { shown } from '../data/shown.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'

/** What an error names: words, or a function that puts them together only where there is one to be thrown. */
export type Where = string | Message | (() => Message)

export function wordsOf(where: Where): string | Message {
  return typeof where === 'function' ? where() : where
}

/** Runs `read` on what a caller gave; what its getters and Proxies throw becomes an INVALID_ARGUMENT. */
export function reading<T>(where: Where, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof MtLlamaError) throw error
    const why = error instanceof Error ? error.message : shown(error)
    throw new MtLlamaError('INVALID_ARGUMENT', message`${wordsOf(where)} cannot be read: ${why}`, {
      cause: error,
    })
  }
}
