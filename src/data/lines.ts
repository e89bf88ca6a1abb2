// Splits a stream of bytes into lines of text. (node:readline also breaks at U+2028, which JSON texts may hold.)

import { MtLlamaError } from '../errors.ts'
import { isRecord } from './record.ts'
import { shown } from './shown.ts'

export interface Line {
  text: string
  /** The line's number, counted from 1. */
  number: number
}

/** Maximum bytes of a line: a file without line ends is refused before it fills memory. */
const maxLineBytes = 2 ** 28

/**
 * Yields the lines that hold more than white space, without their ends (\n or \r\n).
 * @param name the file's name, for messages
 * @throws DATA_INVALID where a line is not UTF-8, or longer than 256 MiB
 */
export async function* readLines(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let number = 0
  const line = (bytes: Uint8Array): Line => {
    number++
    try {
      return { text: decoder.decode(bytes).replace(/\r$/, ''), number }
    } catch {
      throw new MtLlamaError('DATA_INVALID', `${name}:${number}: the line is not UTF-8.`)
    }
  }
  let pending: Uint8Array[] = []
  let pendingBytes = 0
  for await (const chunk of stream) {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const one = line(Buffer.concat([...pending, chunk.subarray(start, end)]))
      pending = []
      pendingBytes = 0
      start = end + 1
      if (one.text.trim() !== '') yield one
    }
    if (start < chunk.length) pending.push(chunk.subarray(start))
    pendingBytes += chunk.length - start
    if (pendingBytes > maxLineBytes) {
      throw new MtLlamaError(
        'DATA_INVALID',
        `${name}:${number + 1}: the line is longer than ${maxLineBytes / 2 ** 20} MiB; expected one object a line.`,
      )
    }
  }
  if (pending.length > 0) {
    const one = line(Buffer.concat(pending))
    if (one.text.trim() !== '') yield one
  }
}

/** The error to throw for one that reading a file threw: an error of the system is worded, with the file's name. */
export function notReadable(name: string, error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error) || error instanceof MtLlamaError) return error
  return new MtLlamaError('DATA_NOT_FOUND', `${name}: cannot be read (${error.message}).`, { cause: error })
}

/** Parses one line of JSONL, which must hold an object. @throws DATA_INVALID naming file and line */
export function parseJsonLine(line: Line, name: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(line.text)
  } catch (error) {
    throw new MtLlamaError(
      'DATA_INVALID',
      `${name}:${line.number}: not JSON (${(error as Error).message}); expected one object a line.`,
    )
  }
  if (!isRecord(value)) {
    throw new MtLlamaError(
      'DATA_INVALID',
      `${name}:${line.number}: expected an object, found ${Array.isArray(value) ? 'a list' : shown(value)}.`,
    )
  }
  return value
}
