// Reads the JSONL a command works on, from a file or stdin, and says which line is wrong.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { FieldReader, kind, listOf, text, wholeNumber } from '../data/fields.ts'
import { notReadable, parseJsonLine, readLines } from '../data/lines.ts'
import { MtLlamaError } from '../errors.ts'

const tokenIds = listOf(wholeNumber(0, Number.MAX_SAFE_INTEGER), 'token ids')

export const textOrIds = kind(
  'a text or a list of token ids',
  (value): value is string | number[] => text.is(value) || tokenIds.is(value),
)

/** The fields of one line, whose `where` is 'requests.jsonl:3' or the like. */
export class InputLine extends FieldReader {
  /** Refuses fields that no line may have, so that a misspelt one is not passed over. @throws DATA_INVALID */
  checkNames(known: readonly string[]): void {
    const stranger = this.names().find(name => !known.includes(name))
    if (stranger !== undefined)
      throw this.error(`${this.where}: unknown field "${stranger}"; a line has ${known.join(', ')}`)
  }

  protected error(message: string): MtLlamaError {
    return new MtLlamaError('DATA_INVALID', `${message}.`)
  }
}

/**
 * Checks that there is a file to read, before a model is loaded.
 * @param file undefined and '-' mean stdin
 * @throws DATA_NOT_FOUND
 */
export async function checkInput(file: string | undefined): Promise<void> {
  if (isStandard(file)) return
  const found = await stat(file).catch(() => undefined)
  if (found && !found.isDirectory()) return
  const what = found ? 'is a folder, not a JSONL file' : 'no such file'
  throw new MtLlamaError('DATA_NOT_FOUND', `${file}: ${what}. Name a JSONL file, or - for stdin.`)
}

/**
 * Reads the lines of a JSONL file that checkInput() has found.
 * @param file undefined and '-' mean stdin
 * @throws DATA_INVALID
 */
export async function* readJsonLines(
  file: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<InputLine> {
  const [name, stream] = isStandard(file) ? ['stdin', process.stdin] : [file, createReadStream(file)]
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const line of readLines(stream, name)) {
      yield new InputLine(parseJsonLine(line, name), `${name}:${line.number}`)
    }
  } catch (error) {
    if (!signal.aborted) throw notReadable(name, error)
  } finally {
    signal.removeEventListener('abort', stop)
  }
  if (signal.aborted) throw new MtLlamaError('ABORTED', 'stopped')
}

function isStandard(file: string | undefined): file is undefined | '-' {
  return file === undefined || file === '-'
}
