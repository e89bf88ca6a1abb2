// The lines of a JSONL input that ask for answers, and what is wrong with those that cannot be read.
import type { Readable } from 'node:stream'
import { FieldReader, kind, listOf, text, wholeNumber } from '../data/fields.ts'
import { decodeLine, notReadable, parseJsonLine, readRawLines } from '../data/lines.ts'
import { MtLlamaError } from '../errors.ts'

const tokenIds = listOf(wholeNumber(0, Number.MAX_SAFE_INTEGER), 'token ids')

export const textOrIds = kind(
  'a text or a list of token ids',
  (value): value is string | number[] => text.is(value) || tokenIds.is(value),
)

/** The fields of one line, whose `where` is 'requests.jsonl:3' or the like. */
export class InputLine extends FieldReader {
  /** The fields that no command reads: they come back beside the answer. */
  others(read: readonly string[]): Record<string, unknown> {
    return Object.fromEntries(Object.entries(this.values).filter(([name]) => !read.includes(name)))
  }

  protected error(message: string): MtLlamaError {
    return new MtLlamaError('DATA_INVALID', `${message}.`)
  }
}

/** A line of the input, and why it cannot be read where it is no object in JSON. */
export interface ReadLine {
  /** Counted from 1. */
  number: number
  /** 'requests.jsonl:3' */
  where: string
  fields: InputLine | MtLlamaError
}

/**
 * Yields the lines that hold more than white space.
 * @param name the input's name, for messages
 * @param before number of lines of the input that come before the stream
 * @throws DATA_NOT_FOUND where the stream cannot be read; DATA_INVALID for a line of more than 256 MiB; ABORTED
 */
export async function* readInputLines(
  stream: Readable,
  name: string,
  signal: AbortSignal,
  before = 0,
): AsyncGenerator<ReadLine> {
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const { bytes, number } of readRawLines(stream, name, before)) {
      const fields = fieldsOf(bytes, number, name)
      if (fields) yield { number, where: `${name}:${number}`, fields }
    }
  } catch (error) {
    if (!signal.aborted) throw notReadable(name, error)
  } finally {
    signal.removeEventListener('abort', stop)
  }
  if (signal.aborted) throw new MtLlamaError('ABORTED', 'stopped')
}

/** The fields of a line, or what is wrong with it; undefined for an empty line. */
function fieldsOf(bytes: Uint8Array, number: number, name: string): ReadLine['fields'] | undefined {
  try {
    const line = decodeLine(bytes, number, name)
    return line.text.trim() === '' ? undefined : new InputLine(parseJsonLine(line, name), `${name}:${number}`)
  } catch (error) {
    if (error instanceof MtLlamaError) return error
    throw error
  }
}

/** White space of ASCII, and control characters, are not above it. */
const asciiSpace = 0x20

/** Whether the bytes from `start` to `end` hold what is no white space of ASCII. */
export function isFilled(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  for (let i = start; i < end; i++) if (bytes[i]! > asciiSpace) return true
  return false
}
