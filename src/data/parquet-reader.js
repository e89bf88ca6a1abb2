// A process of its own that reads a Parquet file: node parquet-reader.js FILE, started by parquet.ts. A broken file can
// make hyparquet run for ever, or V8 abort for want of memory; here neither harms anybody. Plain JavaScript, so that Node
// runs it as it is, from src too.
// @ts-check
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { checkPages, countValues } from './parquet-checks.js'

/** Rows in a message. */
const batchRows = 500

/**
 * Ends the process once it has used what it may, or its parent has gone; runs while the main thread is busy. Computing
 * is counted, not time, so that a busy machine is no reason.
 */
const watchdog = `
  const { parentPort, workerData } = require('node:worker_threads')
  const used = () => {
    const { user, system } = process.cpuUsage()
    return { cpuSeconds: (user + system) / 1e6, bytes: process.memoryUsage.rss() }
  }
  const max = used()
  const allow = more => {
    max.cpuSeconds += more.cpuSeconds
    max.bytes += more.bytes
  }
  allow(workerData.first)
  parentPort.on('message', allow)
  setInterval(() => {
    const { cpuSeconds, bytes } = used()
    if (cpuSeconds > max.cpuSeconds) process.kill(process.pid, 'SIGALRM')
    if (bytes > max.bytes || process.ppid !== workerData.parent) process.kill(process.pid, 'SIGKILL')
  }, 20)`

/** @param {unknown} error */
async function fail(error) {
  const text = error instanceof Error ? error.message : String(error)
  await send({ error: text })
  process.exit(1)
}

/** @param {object} message @returns {Promise<void>} once it is on its way, so that the parent's pace is kept */
function send(message) {
  return new Promise((resolve, reject) => {
    process.send?.(message, (/** @type {Error | null} */ error) => (error ? reject(error) : resolve()))
  })
}

/**
 * @param {{ cpuSeconds: number, bytes: number }} first what may be used from now on
 * @returns {Promise<Worker>} told of more that may be used
 */
async function startWatchdog(first) {
  const worker = new Worker(watchdog, { eval: true, workerData: { first, parent: process.ppid } })
  await new Promise(resolve => worker.once('online', resolve))
  worker.unref()
  return worker
}

/** @param {string} path */
async function read(path) {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const { size } = await handle.stat()
  const guard = await startWatchdog({ cpuSeconds: 1 + size / 2 ** 18, bytes: 2 ** 29 + 32 * size })
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
  guard.postMessage({ cpuSeconds: values / 1e5, bytes: 100 * values })
  await checkPages(file, metadata)
  const compressors = await compressorsFor(metadata)
  let rowStart = 0
  for (const { num_rows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(num_rows)
    const rows = await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd })
    for (let i = 0; i < rows.length; i += batchRows) {
      await send({ rows: rows.slice(i, i + batchRows).map(row => plain(row)) })
    }
    rowStart = rowEnd
  }
  await send({ end: true })
  process.exit()
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
 * Values as JSON has them: labels and indices are small, so that 64-bit numbers are numbers.
 * @param {any} value
 * @returns {unknown}
 */
function plain(value) {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(plain)
  if (ArrayBuffer.isView(value)) return Array.from(/** @type {any} */ (value), plain)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]))
}

process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
await read(/** @type {string} */ (process.argv[2])).catch(fail)
