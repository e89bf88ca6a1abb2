// A process of its own that reads rows anywhere in Parquet files, as it is asked: node parquet-server.js, started by
// parquet-table.ts. Of the same kind and for the same reasons as parquet-reader.js.
// @ts-check
import { allowanceFor, openParquet, send } from './parquet-file.js'
import { startWatchdog } from './parquet-watchdog.js'

/** @typedef {{ id: number, file: string, start?: number, end?: number }} Asked */

/** @type {Map<string, Promise<import('./parquet-file.js').ParquetTable>>} */
const tables = new Map()

const watchdog = startWatchdog({ cpuSeconds: 1, bytes: 2 ** 29 })
/** Requests are answered one after another, so that what they use is counted apart. */
let last = Promise.resolve()
/** What is being answered. @type {Asked | undefined} */
let current
process.on('message', (/** @type {Asked} */ asked) => {
  last = last.then(() => answer(asked))
})
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)

/** @param {Asked} asked */
async function answer(asked) {
  const { id, file, start, end } = asked
  current = asked
  const allow = await watchdog
  try {
    const table = await tableOf(file, allow)
    allow({ cpuSeconds: table.cpuSeconds, anew: true })
    if (start === undefined || end === undefined) await send({ id, groups: table.groups })
    else await send({ id, rows: await table.read(start, end), floats: table.floats })
  } catch (error) {
    await fail(error)
  }
  current = undefined
  // The watchdog's own turns cost computing too, for as long as nothing is asked.
  allow({ cpuSeconds: Number.POSITIVE_INFINITY, anew: true })
}

/**
 * Answers that a file is broken, and ends: a broken file may have left behind what fails later. What waits is asked of another
 * process.
 * @param {unknown} error
 */
async function fail(error) {
  if (current) await send({ id: current.id, error: error instanceof Error ? error.message : String(error) })
  process.exit(0)
}

/**
 * @param {string} file
 * @param {Awaited<typeof watchdog>} allow
 */
function tableOf(file, allow) {
  const table =
    tables.get(file) ??
    openParquet(file, async size => {
      allow({ ...allowanceFor(size), anew: true })
      return allow
    })
  tables.set(file, table)
  return table
}
