// Reads the JSONL a command works on, from a file or stdin, and says which line is wrong.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { notReadable, parseJsonLine, readLines } from '../tasks/lines.ts'

export interface InputLine {
  fields: Record<string, unknown>
  /** 'requests.jsonl:3' */
  where: string
}

/**
 * Sees that there is a file to read, before a model is loaded.
 * @param file undefined or '-': stdin
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
 * The objects of a JSONL file that is there, one a line.
 * @param file undefined or '-': stdin
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
      yield { fields: parseJsonLine(line, name), where: `${name}:${line.number}` }
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

/** A text or a list of token ids. */
export function textOrIds(value: unknown): value is string | number[] {
  return (
    typeof value === 'string' ||
    (Array.isArray(value) && value.every(id => Number.isSafeInteger(id) && id >= 0))
  )
}

/** @throws DATA_INVALID: what the field holds and what it should hold */
export function wrongField(where: string, name: string, value: unknown, expected: string): never {
  const found = value === undefined ? 'is missing' : `is ${shown(value)}`
  throw new MtLlamaError('DATA_INVALID', `${where}: "${name}" ${found}; expected ${expected}.`)
}

/** @throws DATA_INVALID for a field no line may have: a misspelt one is not to be passed over */
export function checkFields({ fields, where }: InputLine, known: readonly string[]): void {
  const stranger = Object.keys(fields).find(name => !known.includes(name))
  if (stranger !== undefined) {
    throw new MtLlamaError(
      'DATA_INVALID',
      `${where}: unknown field "${stranger}"; a line has ${known.join(', ')}.`,
    )
  }
}
