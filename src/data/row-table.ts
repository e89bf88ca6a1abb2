// A table whose rows are read one by one, in any order, without holding them: JSON lines, or shards of Parquet.
import { extname } from 'node:path'
import { MtLlamaError } from '../errors.ts'
import { openLineTable } from './line-table.ts'
import { notReadable } from './lines.ts'
import type { ParquetServer } from './parquet-table.ts'
import type { Row } from './row.ts'

export interface RowTable {
  readonly rows: number
  /**
   * @param index from 0 to rows - 1
   * @throws DATA_INVALID naming file and line or row, DATA_NOT_FOUND where the file is no longer there
   */
  row(index: number): Promise<Row>
  close(): Promise<void>
}

/**
 * Opens the files of a table, one after another.
 * @param server reads those of Parquet; the caller closes it
 * @throws DATA_INVALID for a format that has to be read whole
 */
export async function openTable(files: readonly string[], server: ParquetServer): Promise<RowTable> {
  const parts: RowTable[] = []
  try {
    for (const file of files) parts.push(await openPart(file, server))
  } catch (error) {
    await Promise.all(parts.map(part => part.close()))
    throw error
  }
  return parts.length === 1 ? parts[0]! : joined(parts)
}

async function openPart(file: string, server: ParquetServer): Promise<RowTable> {
  try {
    switch (extname(file)) {
      case '.jsonl':
        return await openLineTable(file)
      case '.parquet':
        return await server.open(file)
    }
  } catch (error) {
    throw notReadable(file, error)
  }
  throw new MtLlamaError(
    'DATA_INVALID',
    `${file}: rows of training data are read one by one, in any order; expected .jsonl (one object a line) or .parquet.`,
  )
}

function joined(parts: readonly RowTable[]): RowTable {
  return {
    rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    async row(index) {
      let rest = index
      for (const part of parts) {
        if (rest < part.rows) return part.row(rest)
        rest -= part.rows
      }
      throw new RangeError(`row ${index}`)
    },
    async close() {
      await Promise.all(parts.map(part => part.close()))
    },
  }
}
