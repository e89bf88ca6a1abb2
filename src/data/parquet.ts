// Reads a Parquet file in a process of its own (parquet-reader.js), which has its limits of computing and memory.
import { fork } from 'node:child_process'
import { on } from 'node:events'
import { fileURLToPath } from 'node:url'
import { MtLlamaError } from '../errors.ts'
import { WholeFloat } from './exact-numbers.ts'
import { isRecord } from './record.ts'

type Fields = Record<string, unknown>
type Told = { rows: Fields[]; floats: string[] } | { error: string } | { end: true }

/**
 * Yields the rows of a file in order, with numbers as Python has them (exact-numbers.ts).
 * @throws DATA_INVALID for whatever the file does to the process that reads it
 */
export async function* parquetFields(file: string): AsyncGenerator<Fields> {
  // A bundle as CommonJS has no URL of its module, so this may not be asked for before a file is read.
  const reader = fileURLToPath(new URL('parquet-reader.js', import.meta.url))
  const child = fork(reader, [file], {
    // The reader gets no options that this process was started with, and no Ctrl-C of the terminal.
    ...{ execArgv: [], detached: true, serialization: 'advanced' },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const end = new Promise<string>(resolve => {
    child.once('close', (code, signal) => resolve(signal ?? `code ${code}`))
  })
  try {
    const messages = on(child, 'message', { close: ['close'] })
    for await (const [told] of messages as AsyncIterable<[Told]>) {
      if ('end' in told) return
      if ('error' in told) throw brokenParquet(file, told.error)
      for (const row of told.rows) yield exactFields(row, told.floats)
    }
    throw brokenParquet(file, readerBroke(await end))
  } catch (error) {
    if (error instanceof MtLlamaError) throw error
    throw notStarted(file, error as Error)
  } finally {
    child.kill('SIGKILL')
  }
}

export function notStarted(file: string, cause: Error): MtLlamaError {
  const reason = `no process to read it could be started (${cause.message})`
  return new MtLlamaError('INTERNAL', `${file}: ${reason}.`, { cause })
}

/** A row's values with numbers as Python has them. @param floats the columns of floats */
export function exactFields(row: Fields, floats: readonly string[]): Fields {
  if (floats.length === 0) return row
  return { ...row, ...Object.fromEntries(floats.map(name => [name, asFloats(row[name])])) }
}

function asFloats(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asFloats)
  if (isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, asFloats(field)]))
  return Number.isSafeInteger(value) ? new WholeFloat(value as number) : value
}

/** Why a process that reads Parquet has ended by itself. @param end its signal, or 'code N' */
export function readerBroke(end: string): string {
  return end === 'SIGALRM'
    ? 'reading it takes more computing than its size can need'
    : `its reader broke, or took more memory than its size can need: ${end}`
}

export function brokenParquet(file: string, reason: string): MtLlamaError {
  return new MtLlamaError('DATA_INVALID', `${file}: not readable as Parquet (${reason}).`)
}
