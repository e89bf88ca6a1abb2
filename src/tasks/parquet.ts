// Reads a Parquet file in a process of its own (parquet-reader.js), which has its limits of computing and memory.
import { fork } from 'node:child_process'
import { on } from 'node:events'
import { fileURLToPath } from 'node:url'
import { MtLlamaError } from '../errors.ts'

type Fields = Record<string, unknown>
type Told = { rows: Fields[] } | { error: string } | { end: true }

const reader = fileURLToPath(new URL('parquet-reader.js', import.meta.url))

/** Rows in order. @throws DATA_INVALID for whatever the file does to its reader */
export async function* parquetFields(file: string): AsyncGenerator<Fields> {
  const child = fork(reader, [file], {
    // Nothing that this process was started with; and a Ctrl-C is not the reader's.
    ...{ execArgv: [], detached: true, serialization: 'advanced' },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? `code ${code}`))
  })
  ended.catch(() => {})
  try {
    for await (const [told] of on(child, 'message', { close: ['close'] }) as AsyncIterable<[Told]>) {
      if ('end' in told) return
      if ('error' in told) throw invalid(file, told.error)
      yield* told.rows
    }
    const end = await ended.catch(error => {
      throw new MtLlamaError(
        'INTERNAL',
        `${file}: no process to read it could be started (${error.message}).`,
        {
          cause: error,
        },
      )
    })
    throw invalid(
      file,
      reasons[end] ?? `reading it takes more memory than its size can need, or breaks the reader: ${end}`,
    )
  } finally {
    child.kill('SIGKILL')
  }
}

const reasons: Record<string, string> = {
  SIGALRM: 'reading it takes more computing than its size can need',
}

function invalid(file: string, reason: string): MtLlamaError {
  return new MtLlamaError('DATA_INVALID', `${file}: not readable as Parquet (${reason}).`)
}
