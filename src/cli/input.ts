// Reads the JSONL a command works on, from a file or stdin, and says which line is wrong.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { FieldReader, kind, listOf, text, wholeNumber } from '../data/fields.ts'
import { decodeLine, notReadable, parseJsonLine, readRawLines } from '../data/lines.ts'
import { MtLlamaError, message } from '../errors.ts'

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

/** Where the lines of a command come from. */
export interface Input {
  /** Whether a person is to type them. */
  isTerminal: boolean
  /** @throws DATA_NOT_FOUND; DATA_INVALID for a line of more than 256 MiB; ABORTED */
  lines(signal: AbortSignal): AsyncIterable<ReadLine>
  /** The number of lines; undefined where they can be read but once, or cannot be read. */
  count(signal: AbortSignal): Promise<number | undefined>
}

/**
 * Chooses the input, and checks before a model is loaded that it is there.
 * @param file undefined and '-' mean stdin
 * @param prompt the fields of a line that stand on the command line, in the place of a file; undefined where none do
 * @throws DATA_NOT_FOUND, INVALID_ARGUMENT where there is a file too
 */
export async function chooseInput(
  file: string | undefined,
  prompt: Record<string, unknown> | undefined,
): Promise<Input> {
  if (prompt === undefined) {
    await checkInput(file)
    const isTerminal = isStandard(file) && process.stdin.isTTY === true
    return {
      isTerminal,
      lines: signal => readJsonLines(file, signal),
      count: async signal => (isStandard(file) ? undefined : countLines(file, signal)),
    }
  }
  if (file !== undefined)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${{ kind: 'option', name: 'prompt' }} is all of the input; leave ${file} out.`,
    )
  return { isTerminal: false, lines: () => oneLine(prompt), count: async () => 1 }
}

async function countLines(file: string, signal: AbortSignal): Promise<number | undefined> {
  try {
    if (!(await stat(file)).isFile()) return undefined
    let count = 0
    for await (const { bytes } of readRawLines(createReadStream(file, { signal }), file))
      if (bytes.some(byte => byte > asciiSpace)) count++
    return count
  } catch {
    // Who reads the lines says what is wrong.
    return undefined
  }
}

/** White space of ASCII, and control characters, are not above it. */
const asciiSpace = 0x20

async function* oneLine(fields: Record<string, unknown>): AsyncGenerator<ReadLine> {
  const where = '--prompt'
  yield { number: 1, where, fields: new InputLine(fields, where) }
}

/** @throws DATA_NOT_FOUND */
async function checkInput(file: string | undefined): Promise<void> {
  if (isStandard(file)) return
  const found = await stat(file).catch(() => undefined)
  if (found && !found.isDirectory()) return
  const what = found ? 'is a folder, not a JSONL file' : 'no such file'
  throw new MtLlamaError('DATA_NOT_FOUND', `${file}: ${what}. Name a JSONL file, or - for stdin.`)
}

async function* readJsonLines(file: string | undefined, signal: AbortSignal): AsyncGenerator<ReadLine> {
  const [name, stream] = isStandard(file) ? ['stdin', process.stdin] : [file, createReadStream(file)]
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const { bytes, number } of readRawLines(stream, name)) {
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

function isStandard(file: string | undefined): file is undefined | '-' {
  return file === undefined || file === '-'
}
