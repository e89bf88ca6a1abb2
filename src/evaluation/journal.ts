// A task's journal, samples/TASK.jsonl: one line for each sample, in the data's order, appended as answers come. A process
// that is killed leaves the lines it has written; a torn line at the end is cut off before more is appended.
import { type FileHandle, rename, rm } from 'node:fs/promises'
import { parsedRecord } from '../data/record.ts'
import { MtLlamaError, message } from '../errors.ts'
import { LineWriter, openToAppend } from '../files/line-writer.ts'
import { createFile, type Place, partOf, readOwnFile, writing } from '../files/output.ts'
import type { SampleRecord } from './results.ts'

export const outFolder: Place = { folder: '--out folder', kept: 'What was finished before is saved' }

export interface JournalContent {
  records: SampleRecord[]
  /** Length of the records' lines. */
  bytes: number
  /** Whether something follows that is no whole line. */
  torn: boolean
}

/** Characters of lines that may wait for the disk before add() waits too. */
const maxPending = 1 << 20

/**
 * The records of a journal; none where there is no file.
 * @throws OUTPUT where a line that others follow is no record
 */
export async function readJournal(file: string): Promise<JournalContent> {
  const content = (await writing(file, outFolder, () => readOwnFile(file))) ?? Buffer.alloc(0)
  const { isBroken, ...found } = journalContent(content)
  if (!isBroken) return found
  throw new MtLlamaError(
    'OUTPUT',
    message`${file}, line ${found.records.length + 1}: not a record of a sample, and other lines follow. Name another --out folder, or give ${{ kind: 'option', name: 'redo' }}, which runs the task from its start.`,
  )
}

/** The records of a journal's bytes. isBroken: whether a line that others follow is no record; all before it are there. */
export function journalContent(content: Buffer): JournalContent & { isBroken: boolean } {
  const records: SampleRecord[] = []
  let bytes = 0
  for (let end = content.indexOf(10); end >= 0; end = content.indexOf(10, bytes)) {
    const record = sampleRecord(content.toString('utf8', bytes, end))
    if (!record) break
    records.push(record)
    bytes = end + 1
  }
  // The rest is a line that was being written, or the zeros that a crash of the system leaves.
  const isTorn = content.indexOf(10, bytes) < 0 || content.indexOf(10, bytes) === content.length - 1
  return { records, bytes, torn: bytes < content.length, isBroken: !isTorn }
}

function sampleRecord(line: string): SampleRecord | undefined {
  const record = parsedRecord(line)
  return typeof record?.prompt === 'string' ? (record as unknown as SampleRecord) : undefined
}

/** Appends records. */
export class Journal {
  readonly #file: string
  readonly #name: string
  readonly #lines: LineWriter

  private constructor(file: string, name: string, handle: FileHandle, bytes: number) {
    this.#file = file
    this.#name = name
    this.#lines = new LineWriter(file, outFolder, handle, bytes)
  }

  /** Opens a journal to append after what readJournal() has found; makes it if it is missing. @throws OUTPUT */
  static append(file: string, { bytes }: JournalContent): Promise<Journal> {
    return writing(file, outFolder, async () => {
      const handle = await openToAppend(file)
      await handle.truncate(bytes)
      return new Journal(file, file, handle, bytes)
    })
  }

  /** Begins a second file beside a journal, which close() replaces by it. @throws OUTPUT */
  static replace(file: string): Promise<Journal> {
    const part = partOf(file)
    return writing(part, outFolder, async () => new Journal(part, file, await createFile(part), 0))
  }

  /** Queues a record. @throws OUTPUT where this or an earlier record cannot be written */
  async add(record: SampleRecord): Promise<void> {
    this.#lines.add(record)
    if (this.#lines.waiting > maxPending) await this.#lines.written()
    if (this.#lines.failure) throw this.#lines.failure
  }

  /** Writes what is queued, waits until it is on the disk, and gives the file its name. @throws OUTPUT */
  async close(): Promise<void> {
    await this.#lines.close()
    if (this.#file !== this.#name) await writing(this.#file, outFolder, () => rename(this.#file, this.#name))
  }

  /** Gives a replacement up: the journal that was there is kept. */
  async discard(): Promise<void> {
    await this.#lines.close().catch(() => {})
    await rm(this.#file, { force: true })
  }
}
