// Rows anywhere in a file of JSON lines, by the places of every sixteenth line.
import type { FileHandle } from 'node:fs/promises'
import { MtLlamaError } from '../errors.ts'
import { checkLineLength, decodeLine, notReadable, openData, parseRowLine } from './lines.ts'
import { Row } from './row.ts'
import type { RowTable } from './row-table.ts'

/** Lines between two places that are remembered: a file of four million lines takes 4 MB of them. */
const blockLines = 16
const chunkBytes = 2 ** 20

/** Where a block of lines begins. */
interface Places {
  /** Byte offsets; the end of the file is the last. */
  offsets: number[]
  /** Numbers of the lines there, counted from 1. */
  lines: number[]
}

/** Opens a file and counts its lines, those of white space alone left out. @throws DATA_NOT_FOUND, DATA_INVALID */
export async function openLineTable(file: string): Promise<RowTable> {
  const handle = await openData(file)
  try {
    const { places, rows, size } = await scan(handle, file)
    return new LineTable(file, handle, places, rows, size)
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function scan(
  handle: FileHandle,
  file: string,
): Promise<{ places: Places; rows: number; size: number }> {
  const places: Places = { offsets: [], lines: [] }
  const bytes = Buffer.allocUnsafe(chunkBytes)
  let rows = 0
  let line = 1
  let lineStart = 0
  let isBlank = true
  const endLine = () => {
    if (!isBlank) {
      if (rows % blockLines === 0) {
        places.offsets.push(lineStart)
        places.lines.push(line)
      }
      rows++
    }
    line++
    isBlank = true
  }
  let size = 0
  for (;;) {
    const { bytesRead } = await handle.read(bytes, 0, chunkBytes, size)
    if (bytesRead === 0) break
    const chunk = bytes.subarray(0, bytesRead)
    let from = 0
    while (from < chunk.length) {
      const found = chunk.indexOf(10, from)
      const end = found < 0 ? chunk.length : found
      isBlank &&= isSpace(chunk, from, end)
      if (found < 0) break
      endLine()
      from = found + 1
      lineStart = size + from
    }
    size += bytesRead
    checkLineLength(size - lineStart, line, file)
  }
  endLine()
  return { places, rows, size }
}

/** Whether there is nothing but white space of ASCII. */
function isSpace(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 32 && !(bytes[i]! >= 9 && bytes[i]! <= 13)) return false
  return true
}

class LineTable implements RowTable {
  readonly rows: number
  private readonly file: string
  private readonly handle: FileHandle
  private readonly places: Places
  private readonly size: number

  constructor(file: string, handle: FileHandle, places: Places, rows: number, size: number) {
    this.file = file
    this.handle = handle
    this.places = places
    this.rows = rows
    this.size = size
  }

  async row(index: number): Promise<Row> {
    const block = Math.floor(index / blockLines)
    const { offsets, lines } = this.places
    const start = offsets[block]!
    const bytes = Buffer.allocUnsafe((offsets[block + 1] ?? this.size) - start)
    let read = 0
    while (read < bytes.length) {
      const { bytesRead } = await this.handle
        .read(bytes, read, bytes.length - read, start + read)
        .catch((error: unknown) => {
          throw notReadable(this.file, error)
        })
      if (bytesRead === 0)
        throw new MtLlamaError('DATA_INVALID', `${this.file}: has become shorter since it was opened.`)
      read += bytesRead
    }
    let number = lines[block]!
    let from = 0
    for (let skip = index % blockLines; ; number++) {
      const found = bytes.indexOf(10, from)
      const end = found < 0 ? bytes.length : found
      if (!isSpace(bytes, from, end) && skip-- === 0) return this.parsed(bytes.subarray(from, end), number)
      if (found < 0) throw new MtLlamaError('DATA_INVALID', `${this.file}: has changed since it was opened.`)
      from = found + 1
    }
  }

  async close(): Promise<void> {
    await this.handle.close()
  }

  private parsed(bytes: Uint8Array, number: number): Row {
    const { plain, exact } = parseRowLine(decodeLine(bytes, number, this.file), this.file)
    return new Row(plain, `${this.file}, line ${number}`, number, exact)
  }
}
