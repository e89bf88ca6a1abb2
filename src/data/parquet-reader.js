// A process of its own that reads a Parquet file: node parquet-reader.js FILE, started by parquet.ts. A broken file can
// make hyparquet run for ever, or V8 abort for want of memory; here neither harms anybody. Plain JavaScript, so that Node
// runs it as it is, from src too.
// @ts-check
import { allowanceFor, openParquet, send } from './parquet-file.js'
import { startWatchdog } from './parquet-watchdog.js'

/** Rows in a message. */
const batchRows = 500

/** @param {unknown} error */
async function fail(error) {
  await send({ error: error instanceof Error ? error.message : String(error) })
  process.exit(1)
}

/** @param {string} path */
async function read(path) {
  const { groups, floats, ...table } = await openParquet(path, size => startWatchdog(allowanceFor(size)))
  let start = 0
  for (const count of groups) {
    const rows = await table.read(start, start + count)
    for (let i = 0; i < rows.length; i += batchRows)
      await send({ rows: rows.slice(i, i + batchRows), floats })
    start += count
  }
  await send({ end: true })
  process.exit()
}

process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
await read(/** @type {string} */ (process.argv[2])).catch(fail)
