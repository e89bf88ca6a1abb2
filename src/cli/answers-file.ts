// Where the lines of score and generate go: stdout, or a file that a later run goes on with.
import type { FileHandle } from 'node:fs/promises'
import { type Line, parseJsonLine, readLines } from '../data/lines.ts'
import { isRecord, parsedRecord } from '../data/record.ts'
import { MtLlamaError, message } from '../errors.ts'
import { LineWriter, openToAppend } from '../files/line-writer.ts'
import { type Lock, takeLock } from '../files/lock.ts'
import { type Place, writing } from '../files/output.ts'
import type { AnswerLine } from '../lines/answering.ts'
import { printJsonLine } from './io.ts'

export interface Answers {
  /** Number of answers that an earlier run has left. */
  readonly found: number
  /** How many of them are errors. */
  readonly errorsFound: number
  /** Whether there is an answer to a line of that id, which is taken: of lines with one id, each has its own. */
  takeFound(id: unknown): boolean
  /** @throws OUTPUT where this or an earlier line cannot be written */
  add(line: AnswerLine): Promise<void>
}

const place: Place = { folder: '--out file', kept: 'What was written before is kept' }

/** Characters of lines that may wait for the disk before add() waits too. */
const maxPending = 1 << 20

const toStdout: Answers = { found: 0, errorsFound: 0, takeFound: () => false, add: printJsonLine }

/**
 * Runs work that writes answers, and closes their file.
 * @param fields those that every answer of the command has, unless it is an error: they tell its files from others
 * @param out undefined: stdout
 * @param resume whether a file that is there is gone on with; a line that was torn by a kill is cut from its end
 * @throws OUTPUT where the file is there without `resume`, holds other lines than answers, or is being written by another run; INVALID_ARGUMENT
 */
export async function withAnswers(
  { out, resume = false }: { out?: string; resume?: boolean },
  fields: readonly string[],
  work: (answers: Answers) => Promise<void>,
): Promise<void> {
  if (out === undefined && resume)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${{ kind: 'option', name: 'resume' }} goes on with a file, so it needs ${{ kind: 'option', name: 'out' }} FILE.`,
    )
  if (out === undefined) return work(toStdout)
  await using handle = await writing(out, place, () => openToAppend(out))
  const lock = await lockOf(out, handle)
  try {
    const lines = await openLines(out, handle, resume, fields)
    try {
      await work(lines.answers)
    } finally {
      await lines.close()
    }
  } finally {
    await lock?.release()
  }
}

/** Keeps two runs from answering the same lines into one file; pipes and devices have no lock. */
async function lockOf(out: string, handle: FileHandle): Promise<Lock | undefined> {
  if (!(await handle.stat()).isFile()) return undefined
  return writing(out, place, () =>
    takeLock(out, {
      words: [out, 'Name another --out file'],
      onAbandoned: () => {},
    }),
  )
}

async function openLines(
  out: string,
  handle: FileHandle,
  resume: boolean,
  fields: readonly string[],
): Promise<{ answers: Answers; close: () => Promise<void> }> {
  const { size } = await handle.stat()
  if (size > 0 && !resume)
    throw new MtLlamaError(
      'OUTPUT',
      message`${out}: is there already. Give ${{ kind: 'option', name: 'resume' }} to go on with it, or name another ${{ kind: 'option', name: 'out' }} file.`,
    )
  const { bytes, ids, found, errorsFound } = await readAnswers(out, handle, size, fields)
  await writing(out, place, () => handle.truncate(bytes))
  const lines = new LineWriter(out, place, handle, bytes)
  const answers: Answers = {
    ...{ found, errorsFound },
    takeFound(id) {
      const key = JSON.stringify(id)
      const count = ids.get(key) ?? 0
      if (count > 0) ids.set(key, count - 1)
      return count > 0
    },
    async add(line) {
      lines.add(line)
      if (lines.waiting > maxPending) await lines.written()
      if (lines.failure) throw lines.failure
    },
  }
  return { answers, close: () => lines.close() }
}

interface EarlierAnswers {
  /** Length of the whole lines. */
  bytes: number
  found: number
  errorsFound: number
  /** How many answers there are of each id, as JSON. */
  ids: Map<string, number>
}

/** @throws OUTPUT where a line is no answer: the file is something else, and stays as it is */
async function readAnswers(
  out: string,
  handle: FileHandle,
  size: number,
  fields: readonly string[],
): Promise<EarlierAnswers> {
  // A file that was made just now is open for writing alone.
  const bytes = size > 0 ? await wholeLineBytes(handle) : 0
  const earlier: EarlierAnswers = { bytes, found: 0, errorsFound: 0, ids: new Map() }
  if (size === 0) return earlier
  const whole = () => handle.createReadStream({ start: 0, end: bytes - 1, autoClose: false })
  for await (const line of bytes > 0 ? readLines(whole(), out) : []) {
    const answer = answerOf(line, out, fields)
    if (!answer) throw foreignFile(`${out}:${line.number}: not an answer of this command`)
    const key = JSON.stringify(answer.id)
    earlier.ids.set(key, (earlier.ids.get(key) ?? 0) + 1)
    earlier.found++
    if (isRecord(answer.error)) earlier.errorsFound++
  }
  if (!(await isTornAnswer(handle, bytes, size, fields)))
    throw foreignFile(`${out}: ends in a line that is no answer`)
  return earlier
}

/** Whether the bytes from `start` to the end are nothing, or an answer without its end, so that they may be cut. */
async function isTornAnswer(
  handle: FileHandle,
  start: number,
  end: number,
  fields: readonly string[],
): Promise<boolean> {
  const read = async (length: number) => {
    const bytes = Buffer.alloc(length)
    await handle.read(bytes, 0, length, start)
    return bytes.toString()
  }
  // An answer begins with its id: so one that is torn is told from the text of another file.
  const begin = '{"id":'
  if (!begin.startsWith(await read(Math.min(begin.length, end - start)))) return false
  // A whole line may be all of another file.
  const text = await read(end - start)
  return !parsedRecord(text) || answerOf({ text, number: 1 }, '', fields) !== undefined
}

/** Length of a file up to the end of its last whole line. */
async function wholeLineBytes(handle: FileHandle): Promise<number> {
  let read = 0
  let whole = 0
  const chunks: AsyncIterable<Buffer> = handle.createReadStream({ start: 0, autoClose: false })
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(10)
    if (end >= 0) whole = read + end + 1
    read += chunk.length
  }
  return whole
}

function answerOf(line: Line, out: string, fields: readonly string[]): Record<string, unknown> | undefined {
  try {
    const answer = parseJsonLine(line, out)
    const isAnswer = isRecord(answer.error) || fields.every(name => answer[name] !== undefined)
    return answer.id === undefined || !isAnswer ? undefined : answer
  } catch {
    return undefined
  }
}

function foreignFile(what: string): MtLlamaError {
  return new MtLlamaError(
    'OUTPUT',
    message`${what}, so nothing is written to the file. Name another ${{ kind: 'option', name: 'out' }} file.`,
  )
}
