// Cuts a file of lines into ranges of bytes, for shards that are answered apart. It is read once, and never held.
import { Readable } from 'node:stream'
import { MtLlamaError } from '../errors.ts'
import { isFilled, type ReadLine, readInputLines } from '../lines/input-line.ts'
import { Identifier, type Identity } from './identity.ts'
import type { StoredFile } from './storage.ts'

/** Whole lines of an input, from the byte `start` up to `end`. */
export interface Range extends Identity {
  start: number
  end: number
  /** Number of lines before the range: messages and ids name a line by its number in the whole input. */
  linesBefore: number
  /** Number of lines that hold more than white space. */
  filledLines: number
}

export interface Plan {
  input: Identity
  /** In the input's order; each begins where the one before it ends. Some may be empty. */
  ranges: Range[]
}

/** Into how many ranges of about as many bytes, or after how many filled lines an input is cut. */
export type Cut = { count: number } | { linesEach: number }

/**
 * Cuts an input: the same bytes are always cut alike. Of `count` ranges the i-th has the lines that begin in the i-th part of
 * the bytes, so a range may be empty where lines are long.
 * @param onProgress called with the bytes that were read, and with all
 * @throws DATA_NOT_FOUND; DATA_INVALID where the file changes meanwhile; ABORTED
 */
export async function planRanges(
  file: StoredFile,
  cut: Cut,
  signal: AbortSignal,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<Plan> {
  const bytes = await inputBytes(file)
  const cutter = new Cutter(cut, bytes)
  for await (const chunk of file.storage.read(file.name)) {
    if (signal.aborted) throw new MtLlamaError('ABORTED', 'stopped')
    cutter.add(chunk)
    onProgress(cutter.read, bytes)
  }
  if (cutter.read !== bytes) throw changed(file)
  return cutter.end()
}

/**
 * Reads the lines of a range, and checks at its end that they are those that were planned.
 * @throws DATA_NOT_FOUND, ABORTED; DATA_INVALID where the input has changed
 */
export function rangeLines(file: StoredFile, range: Range, signal: AbortSignal): AsyncGenerator<ReadLine> {
  return readInputLines(Readable.from(checkedBytes(file, range)), file.path, signal, range.linesBefore)
}

async function* checkedBytes(file: StoredFile, range: Range): AsyncGenerator<Uint8Array> {
  const read = new Identifier()
  for await (const chunk of file.storage.read(file.name, range)) {
    read.add(chunk)
    yield chunk
  }
  if (read.identity().sha256 !== range.sha256) throw changed(file)
}

/** @throws DATA_NOT_FOUND where the file is none that can be read in parts */
async function inputBytes({ storage, name, path }: StoredFile): Promise<number> {
  const bytes = await storage.size(name)
  if (bytes !== undefined) return bytes
  throw new MtLlamaError(
    'DATA_NOT_FOUND',
    `${path}: no such file, or no regular one, and only such can be cut. Name a JSONL file.`,
  )
}

function changed({ path }: StoredFile): MtLlamaError {
  return new MtLlamaError(
    'DATA_INVALID',
    `${path}: has changed since it was cut into shards. Leave it as it is until all are done.`,
  )
}

class Cutter {
  private readonly cut: Cut
  private readonly bytes: number
  private readonly whole = new Identifier()
  private readonly ranges: Range[] = []
  private part = new Identifier()
  private start = 0
  private linesBefore = 0
  private filledLines = 0
  private lines = 0
  private isLineFilled = false

  constructor(cut: Cut, bytes: number) {
    this.cut = cut
    this.bytes = bytes
  }

  /** Number of bytes so far. */
  get read(): number {
    return this.whole.bytes
  }

  add(chunk: Uint8Array): void {
    const { read } = this
    this.whole.add(chunk)
    /** What of the chunk has not been hashed, and where its next line begins. */
    let rest = 0
    let at = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, at)) {
      this.isLineFilled ||= isFilled(chunk, at, end)
      this.endLine()
      at = end + 1
      // Where a cut is due, the bytes before it are hashed first.
      while (this.isCutAt(read + at)) {
        this.part.add(chunk.subarray(rest, at))
        rest = at
        this.close(read + at)
      }
    }
    this.isLineFilled ||= isFilled(chunk, at)
    this.part.add(chunk.subarray(rest))
  }

  end(): Plan {
    if (this.isLineFilled) this.endLine()
    do this.close(this.read)
    while ('count' in this.cut && this.ranges.length < this.cut.count)
    return { input: this.whole.identity(), ranges: this.ranges }
  }

  private endLine(): void {
    this.lines++
    if (this.isLineFilled) this.filledLines++
    this.isLineFilled = false
  }

  /** Whether the line that begins there belongs to a later range. At the end of the input no line begins. */
  private isCutAt(offset: number): boolean {
    if (offset === this.bytes) return false
    if ('linesEach' in this.cut) return this.filledLines === this.cut.linesEach
    return offset >= Math.floor((this.bytes * (this.ranges.length + 1)) / this.cut.count)
  }

  private close(end: number): void {
    const { start, linesBefore, filledLines } = this
    this.ranges.push({ start, end, linesBefore, filledLines, ...this.part.identity() })
    this.part = new Identifier()
    this.start = end
    this.linesBefore += this.lines
    this.lines = 0
    this.filledLines = 0
  }
}
