// Reads values that a caller made, whatever code of his runs by that.
import { shown } from '../data/shown.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'

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
