// Run by data-row-table.test.ts: opens a file of rows, reads some anywhere, and prints how far the process's memory rose meanwhile.
import { ParquetServer } from '../src/data/parquet-table.ts'
import { openTable } from '../src/data/row-table.ts'
import { memory } from './process-memory.ts'

const [file] = process.argv.slice(2) as [string]

const before = memory('VmRSS')
const table = await openTable([file], new ParquetServer())
for (let i = 0; i < 2000; i++) await table.row((i * 7919) % table.rows)
console.log(JSON.stringify({ rows: table.rows, peakBytes: memory('VmHWM') - before }))
await table.close()
