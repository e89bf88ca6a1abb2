// Splits a stream of bytes into lines of text. (node:readline also breaks at U+2028, which JSON texts may hold.)
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { MtLlamaError } from '../errors.ts'
import { type ExactJson, parseExactJson } from './exact-numbers.ts'
import { isRecord } from './record.ts'
import { shown } from './shown.ts'

export interface Line {
  text: string
  /** The line's number, counted from 1. */
  number: number
}

/** Maximum bytes of a line: a file without line ends is refused before it fills memory. */
const maxLineBytes = 2 ** 28

/** A line as it was read. */
interface RawLine {
  bytes: Uint8Array
  /** The line's number, counted from 1. */
  number: number
}

/**
 * Yields the lines that hold more than white space, without their ends (\n or \r\n).
 * @param name the file's name, for messages
 * @throws DATA_INVALID where a line is not UTF-8, or longer than 256 MiB
 */
export async function* readLines(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Line> {
  for await (const { bytes, number } of readRawLines(stream, name)) {
    const line = decodeLine(bytes, number, name)
    if (line.text.trim() !== '') yield line
  }
}

/**
 * Yields all lines, each as the bytes before its \n.
 * @param before number of lines of the file that come before the stream
 * @throws DATA_INVALID where a line is longer than 256 MiB
 */
export async function* readRawLines(
  stream: AsyncIterable<Uint8Array>,
  name: string,
  before = 0,
): AsyncGenerator<RawLine> {
  let number = before
  let pending: Uint8Array[] = []
  let pendingBytes = 0
  for await (const chunk of stream) {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield { bytes: Buffer.concat([...pending, chunk.subarray(start, end)]), number: ++number }
      pending = []
      pendingBytes = 0
      start = end + 1
    }
    if (start < chunk.length) pending.push(chunk.subarray(start))
    pendingBytes += chunk.length - start
    checkLineLength(pendingBytes, number + 1, name)
  }
  if (pending.length > 0) yield { bytes: Buffer.concat(pending), number: ++number }
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** @param bytes those before the line's \n @throws DATA_INVALID where they are not UTF-8 */
export function decodeLine(bytes: Uint8Array, number: number, name: string): Line {
  try {
    return { text: decoder.decode(bytes).replace(/\r$/, ''), number }
  } catch {
    throw new MtLlamaError('DATA_INVALID', `${name}:${number}: the line is not UTF-8.`)
  }
}

/** @throws DATA_INVALID for a line of more than 256 MiB */
export function checkLineLength(bytes: number, number: number, name: string): void {
  if (bytes <= maxLineBytes) return
  throw new MtLlamaError(
    'DATA_INVALID',
    `${name}:${number}: the line is longer than ${maxLineBytes / 2 ** 20} MiB; expected one object a line.`,
  )
}

/** Opens a regular file. A pipe is refused without waiting for its other end. @throws DATA_NOT_FOUND */
export async function openData(file: string): Promise<FileHandle> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  const found = await handle.stat()
  if (found.isFile()) return handle
  await handle.close()
  const what = found.isDirectory() ? 'EISDIR: it is a folder' : 'it is a pipe or a device'
  throw new MtLlamaError('DATA_NOT_FOUND', `${file}: cannot be read (${what}).`)
}

/** The error to throw for one that reading a file threw: an error of the system is worded, with the file's name. */
export function notReadable(name: string, error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error) || error instanceof MtLlamaError) return error
  return new MtLlamaError('DATA_NOT_FOUND', `${name}: cannot be read (${error.message}).`, { cause: error })
}

/** Parses one line of JSONL, which must hold an object. @throws DATA_INVALID naming file and line */
export function parseJsonLine(line: Line, name: string): Record<string, unknown> {
  return parseLine(line, name, text => {
    const plain: unknown = JSON.parse(text)
    return { plain, exact: plain }
  }).plain
}

/** The same of a row of data, whose numbers are also read as Python reads them. @throws DATA_INVALID */
export function parseRowLine(line: Line, name: string): RowLine {
  return parseLine(line, name, parseExactJson)
}

interface RowLine {
  plain: Record<string, unknown>
  exact: Record<string, unknown>
}

function parseLine(line: Line, name: string, parse: (text: string) => ExactJson): RowLine {
  let value: unknown
  let exact: unknown
  try {
    ;({ plain: value, exact } = parse(line.text))
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
  return { plain: value, exact: exact as RowLine['exact'] }
}
