// A Parquet file whose numbers were checked, and its rows as JSON has them; for processes that a watchdog watches.
// @ts-check
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { checkPages, countValues } from './parquet-checks.js'

/**
 * @typedef {object} ParquetTable
 * @property {number[]} groups rows of each row group
 * @property {number} cpuSeconds what reading all of it may take
 * @property {string[]} floats the columns of floats
 * @property {(start: number, end: number) => Promise<unknown[]>} read the rows from start up to end, counted from 0
 */

/**
 * @param {string} path
 * @param {(size: number) => Promise<(more: import('./parquet-watchdog.js').Allowance) => void>} watch starts with the
 * file's size in bytes, and allows more once it is known what the file holds
 * @returns {Promise<ParquetTable>}
 */
export async function openParquet(path, watch) {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const { size } = await handle.stat()
  const allow = await watch(size)
  const file = {
    byteLength: size,
    /** @param {number} start @param {number} [end] */
    async slice(start, end = size) {
      if (!(start >= 0 && start <= end && end <= size))
        throw new Error(`it points to the bytes ${start} to ${end}, of ${size}`)
      const bytes = new Uint8Array(end - start)
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start)
      if (bytesRead < bytes.length) throw new Error('it shrank while it was read')
      return bytes.buffer
    },
  }
  const metadata = await parquetMetadataAsync(file)
  const values = countValues(file, metadata)
  const ofValues = { cpuSeconds: values / 1e5, bytes: 100 * values }
  allow(ofValues)
  await checkPages(file, metadata)
  const compressors = await compressorsFor(metadata)
  return {
    groups: metadata.row_groups.map(({ num_rows }) => Number(num_rows)),
    cpuSeconds: allowanceFor(size).cpuSeconds + ofValues.cpuSeconds,
    floats: floatColumns(metadata),
    async read(rowStart, rowEnd) {
      const rows = await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd })
      return rows.map(row => plain(row))
    },
  }
}

/**
 * Those beside Snappy, which hyparquet has itself, are large and rarely needed.
 * @param {import('hyparquet').FileMetaData} metadata
 */
async function compressorsFor({ row_groups }) {
  const codecs = row_groups.flatMap(group => group.columns.map(column => column.meta_data?.codec))
  if (codecs.every(codec => codec === 'SNAPPY' || codec === 'UNCOMPRESSED')) return {}
  const { compressors } = await import('hyparquet-compressors')
  return compressors
}

/**
 * The columns of floats, or of lists of them: a number of JavaScript does not tell whether it is one.
 * @param {import('hyparquet').FileMetaData} metadata
 */
function floatColumns({ schema }) {
  /** @type {string[]} */
  const names = []
  let i = 1
  /** @returns {boolean} whether all leaves of the element are floats */
  const walk = () => {
    const { num_children: children = 0, type } = /** @type {import('hyparquet').SchemaElement} */ (
      schema[i++]
    )
    if (children === 0) return type === 'FLOAT' || type === 'DOUBLE'
    let areFloats = true
    for (let child = 0; child < children && i < schema.length; child++) areFloats = walk() && areFloats
    return areFloats
  }
  while (i < schema.length) {
    const { name } = /** @type {import('hyparquet').SchemaElement} */ (schema[i])
    if (walk()) names.push(name)
  }
  return names
}

/**
 * Values as JSON has them, and as bigints the whole numbers that no number of JavaScript holds.
 * @param {any} value
 * @returns {unknown}
 */
function plain(value) {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (Array.isArray(value)) return value.map(plain)
  if (ArrayBuffer.isView(value)) return Array.from(/** @type {any} */ (value), plain)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]))
}

/**
 * Sends a message to the parent process.
 * @param {object} message @returns {Promise<void>} once it is on its way, so that the parent's pace is kept
 */
export function send(message) {
  return new Promise((resolve, reject) => {
    process.send?.(message, (/** @type {Error | null} */ error) => (error ? reject(error) : resolve()))
  })
}

/** What a file of so many bytes may take to be read and checked. @param {number} size */
export function allowanceFor(size) {
  return { cpuSeconds: 1 + size / 2 ** 18, bytes: 2 ** 29 + 32 * size }
}
