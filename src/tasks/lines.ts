// Splits a stream of bytes into lines of text. (node:readline also breaks at U+2028, which JSON texts may hold.)
import { MtLlamaError } from '../errors.ts'

export interface Line {
  text: string
  /** From 1. */
  number: number
}

/**
 * Lines that hold more than white space, without their ends (\n or \r\n).
 * @param name of the file, for messages
 * @throws DATA_INVALID where a line is not UTF-8
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
  for await (const chunk of stream) {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const one = line(Buffer.concat([...pending, chunk.subarray(start, end)]))
      pending = []
      start = end + 1
      if (one.text.trim() !== '') yield one
    }
    if (start < chunk.length) pending.push(chunk.subarray(start))
  }
  if (pending.length > 0) {
    const one = line(Buffer.concat(pending))
    if (one.text.trim() !== '') yield one
  }
}

/** What reading a file threw; the system's own errors worded, with the file's name. */
export function notReadable(name: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error
  return new MtLlamaError('DATA_NOT_FOUND', `${name}: cannot be read (${error.message}).`, { cause: error })
}

/** One line of JSONL: an object. @throws DATA_INVALID naming file and line */
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
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MtLlamaError(
      'DATA_INVALID',
      `${name}:${line.number}: expected an object, found ${Array.isArray(value) ? 'a list' : JSON.stringify(value)}.`,
    )
  }
  return value as Record<string, unknown>
}
