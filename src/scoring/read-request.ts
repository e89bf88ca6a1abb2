// Reads a request as its caller gave it: checked, and copied, so that the caller may change it later.
import { reading } from '../calls/reading.ts'
import { type ReadText, readText } from '../calls/text.ts'
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'

export interface ReadRequest {
  prompt: ReadText
  /** At least one, none of them empty. */
  continuations: readonly ReadText[]
}

/**
 * @param index of the request within its call, for messages
 * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE
 */
export function readRequest(request: unknown, index: number, vocabSize: number): ReadRequest {
  const here = () => message`${{ kind: 'request', index }}`
  return reading(here, () => {
    if (!isRecord(request))
      throw invalid(message`${here()} is ${shown(request)}; expected { prompt, continuations }`)
    const { prompt, continuations } = request
    const read = readText(prompt, () => message`${here()}, prompt`, vocabSize)
    if (!Array.isArray(continuations) || continuations.length === 0)
      throw invalid(
        message`${here()}: "continuations" is ${shown(continuations)}; expected an array of at least one text or array of token ids`,
      )
    return {
      prompt: read,
      continuations: Array.from(continuations, (continuation: unknown, i) => {
        const where = () => message`${here()}, continuation ${i}`
        const text = readText(continuation, where, vocabSize)
        if (text.length === 0) throw invalid(message`${where()} is empty; there is nothing to score`)
        return text
      }),
    }
  })
}

function invalid(what: Message): MtLlamaError {
  return new MtLlamaError('INVALID_ARGUMENT', what)
}
