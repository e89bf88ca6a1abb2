// Reads the JSONL a command works on, from a file or stdin, and says which line is wrong.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { readRawLines } from '../data/lines.ts'
import { MtLlamaError, message } from '../errors.ts'
import { InputLine, isFilled, type ReadLine, readInputLines } from '../lines/input-line.ts'

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
      lines: signal => {
        const [name, stream] = isStandard(file) ? ['stdin', process.stdin] : [file, createReadStream(file)]
        return readInputLines(stream, name, signal)
      },
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
      if (isFilled(bytes)) count++
    return count
  } catch {
    // Who reads the lines says what is wrong.
    return undefined
  }
}

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

function isStandard(file: string | undefined): file is undefined | '-' {
  return file === undefined || file === '-'
}
