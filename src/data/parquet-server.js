// A process of its own that reads rows anywhere in Parquet files, as it is asked: node parquet-server.js, started by
// parquet-table.ts. Of the same kind and for the same reasons as parquet-reader.js.
// @ts-check
import { allowanceFor, openParquet, send } from './parquet-file.js'
import { startWatchdog } from './parquet-watchdog.js'

/** What may be used for a group of rows that was checked before, some tens of MiB at the most. */
const cpuSecondsOfRead = 60

/** @typedef {{ id: number, file: string, start?: number, end?: number }} Asked */

/** @type {Map<string, Promise<import('./parquet-file.js').ParquetTable>>} */
const tables = new Map()

const watchdog = startWatchdog({ cpuSeconds: 1, bytes: 2 ** 29 })
/** Requests are answered one after another, so that what they use is counted apart. */
let last = Promise.resolve()
process.on('message', (/** @type {Asked} */ asked) => {
  last = last.then(() => answer(asked))
})

/** @param {Asked} asked */
async function answer({ id, file, start, end }) {
  const allow = await watchdog
  try {
    allow({ cpuSeconds: cpuSecondsOfRead, anew: true })
    const table = await tableOf(file, allow)
    if (start === undefined || end === undefined) await send({ id, groups: table.groups })
    else await send({ id, rows: await table.read(start, end) })
  } catch (error) {
    await send({ id, error: error instanceof Error ? error.message : String(error) })
  }
  // The watchdog's own turns cost computing too, for as long as nothing is asked.
  allow({ cpuSeconds: Number.POSITIVE_INFINITY, anew: true })
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
