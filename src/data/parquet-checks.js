// Holds the numbers in a Parquet file against each other and against its size, before hyparquet trusts them: where they
// disagree it runs for ever (a page of negative size), fills memory, or loses rows in silence.
// @ts-check
import { parquetHeader } from 'hyparquet/src/column.js'

/** @typedef {import('hyparquet').FileMetaData} FileMetaData */
/** @typedef {import('hyparquet').ColumnMetaData} ColumnMetaData */
/** @typedef {{ byteLength: number, slice(start: number, end?: number): Promise<ArrayBuffer> }} ParquetFile */

/**
 * Values that a file of this size may hold. Encodings of runs have no bound of their own; a table of texts has more bytes
 * than values, and one of labels eight values a byte.
 * @param {number} bytes
 */
function maxValues(bytes) {
  return 4e6 + 20 * bytes
}

/**
 * @param {ParquetFile} file
 * @param {FileMetaData} metadata
 * @returns {number} values in all columns
 * @throws {Error}
 */
export function countValues(file, { num_rows, row_groups }) {
  let rows = 0n
  let values = 0n
  for (const group of row_groups) {
    if (group.num_rows < 0n) throw new Error(`a row group says that it holds ${group.num_rows} rows`)
    rows += group.num_rows
    for (const { meta_data: column } of group.columns) {
      if (!column) throw new Error('a column is described in another file')
      if (column.num_values < group.num_rows)
        throw new Error(`${nameOf(column)} holds ${column.num_values} values for ${group.num_rows} rows`)
      values += column.num_values
    }
  }
  if (rows !== num_rows) throw new Error(`its row groups hold ${rows} rows; it says ${num_rows}`)
  if (values > maxValues(file.byteLength))
    throw new Error(`it says that it holds ${values} values, in ${file.byteLength} bytes`)
  return Number(values)
}

/**
 * @param {ParquetFile} file
 * @param {FileMetaData} metadata
 * @throws {Error}
 */
export async function checkPages(file, { row_groups }) {
  for (const { columns } of row_groups) {
    for (const { meta_data: column } of columns) if (column) await checkColumn(file, column)
  }
}

/** @param {ParquetFile} file @param {ColumnMetaData} column */
async function checkColumn(file, column) {
  const start = Number(column.dictionary_page_offset || column.data_page_offset)
  const buffer = await file.slice(start, start + Number(column.total_compressed_size))
  const reader = { view: new DataView(buffer), offset: 0 }
  const wanted = Number(column.num_values)
  let values = 0
  while (values < wanted) {
    const page = parquetHeader(reader)
    const room = buffer.byteLength - reader.offset
    const wrong = faultOf(page, room)
    if (wrong) throw new Error(`a page of ${nameOf(column)} ${wrong}`)
    reader.offset += page.compressed_page_size
    values += (page.data_page_header ?? page.data_page_header_v2)?.num_values ?? 0
  }
  if (values > wanted)
    throw new Error(`the pages of ${nameOf(column)} hold ${values} values; it says ${wanted}`)
}

/**
 * @param {import('hyparquet').PageHeader} page
 * @param {number} room bytes that are left for the page
 * @returns {string | undefined}
 */
function faultOf(page, room) {
  const { compressed_page_size: stored, uncompressed_page_size: size, data_page_header_v2: v2 } = page
  if (!(stored >= 0 && stored <= room)) return `says that it has ${stored} bytes, of ${room}`
  // A page is some MiB at the most; no usual compression does better than 1 to 1,100 but on runs of one value.
  if (!(size >= 0 && size <= 2 ** 26 + 1100 * stored)) return `says that its ${stored} bytes become ${size}`
  const data = page.data_page_header ?? v2
  if (!data) return undefined
  if (!(data.num_values >= 0)) return `says that it holds ${data.num_values} values`
  if (!data.encoding) return 'has an encoding that Parquet does not know'
  if (!v2) return undefined
  const { num_nulls: nulls, repetition_levels_byte_length: rep, definition_levels_byte_length: def } = v2
  if (!(nulls >= 0 && nulls <= v2.num_values))
    return `says that ${nulls} of its ${v2.num_values} values are null`
  if (!(rep >= 0 && def >= 0 && rep + def <= stored))
    return `says that ${rep} and ${def} of its ${stored} bytes are levels`
  return undefined
}

/** @param {ColumnMetaData} column */
function nameOf({ path_in_schema: path }) {
  return `column ${path.join('.')}`
}
