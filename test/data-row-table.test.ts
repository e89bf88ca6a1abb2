// Rows read anywhere in a table: each is the row that reading from the start gives, and no table is held in memory.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parquetWriteFile } from 'hyparquet-writer'
import { readRows } from '../src/data/data-files.ts'
import { ParquetServer } from '../src/data/parquet-table.ts'
import type { Row } from '../src/data/row.ts'
import { openTable, type RowTable } from '../src/data/row-table.ts'
import { withFolder } from './checkpoint-files.ts'
import { childLimit } from './child-limit.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

const json = (i: number, text = 'x'.repeat(i % 50)) => JSON.stringify({ i, text })
const range = (count: number) => Array.from({ length: count }, (_, i) => i)

describe('tables whose rows are read anywhere', () => {
  const server = new ParquetServer()
  after(() => server.close())

  const seen = (row: Row) => [row.where, row.number, row.names().map(name => [name, row.get(name)])]

  /** Reads every row in some order that leaps about, beside readRows(). */
  async function check(files: readonly string[], wanted: number): Promise<void> {
    const inOrder: unknown[] = []
    for await (const row of readRows(files)) inOrder.push(seen(row))
    assert.equal(inOrder.length, wanted)
    const table = await openTable(files, server)
    assert.equal(table.rows, wanted)
    for (const i of range(wanted)) {
      const index = (i * 37 + 11) % wanted
      assert.deepEqual(seen(await table.row(index)), inOrder[index])
    }
    await table.close()
  }

  for (const [name, text, rows] of [
    ['one line', json(0), 1],
    [
      'lines that end in \\n',
      range(100)
        .map(i => `${json(i)}\n`)
        .join(''),
      100,
    ],
    [
      'lines that end in \\r\\n',
      range(33)
        .map(i => `${json(i)}\r\n`)
        .join(''),
      33,
    ],
    [
      'a last line without an end',
      range(17)
        .map(i => json(i))
        .join('\n'),
      17,
    ],
    [
      'empty lines and such of spaces between',
      range(50)
        .map(i => `\n \t\r\n${json(i)}\n`)
        .join('\n'),
      50,
    ],
    [
      'a byte order mark',
      `\ufeff${range(3)
        .map(i => json(i))
        .join('\n')}`,
      3,
    ],
    [
      'lines longer than what is read at once',
      range(5)
        .map(i => json(i, 'é'.repeat(1_100_000)))
        .join('\n'),
      5,
    ],
    ['no line', '', 0],
    ['white space alone', '\n  \n', 0],
  ] as const)
    it(`are the rows of a file of ${name}`, () =>
      withFolder(async folder => {
        const file = join(folder, 'rows.jsonl')
        writeFileSync(file, text)
        await check([file], rows)
      }))

  it('are the rows of Parquet files, whatever their groups', () =>
    withFolder(async folder => {
      const files = [1, 64, 200].map((rowGroupSize, part) => {
        const filename = join(folder, `rows-0000${part}-of-00003.parquet`)
        const data = range(70 + part).map(i => `text ${part} ${i}`)
        const columnData = [
          { name: 'text', data },
          { name: 'label', data: data.map((_, i) => BigInt(i)) },
        ]
        parquetWriteFile({ filename, rowGroupSize, columnData })
        return filename
      })
      await check(files, 70 + 71 + 72)
    }))

  it('hold no part of a file of 200 MB', () =>
    withFolder(async folder => {
      const file = join(folder, 'rows.jsonl')
      const lines = Buffer.from(
        range(1000)
          .map(i => `${json(i, 'word '.repeat(200))}\n`)
          .join(''),
      )
      const to = openSync(file, 'w')
      for (let i = 0; i < 200; i++) writeSync(to, lines)
      closeSync(to)
      const script = fileURLToPath(new URL('row-table-peak.ts', import.meta.url))
      const out = execFileSync(process.execPath, ['--import', 'tsx', script, file], childLimit)
      const { rows, peakBytes } = JSON.parse(out.toString())
      assert.equal(rows, 200_000)
      assert.ok(peakBytes < 100e6, `${peakBytes} bytes`)
    }))

  describe('say what is wrong', () => {
    const cases: [name: string, write: (file: string) => void, ending: string, message: RegExp][] = [
      ['a line that is no JSON', f => writeFileSync(f, `${json(0)}\n\n{"a":`), '.jsonl', /FILE:3: not JSON/],
      [
        'a line that is no object',
        f => writeFileSync(f, '[1]\n'),
        '.jsonl',
        /FILE:1: expected an object, found a list/,
      ],
      [
        'bytes that are no UTF-8',
        f => writeFileSync(f, Buffer.from([0x7b, 0xff, 0x7d])),
        '.jsonl',
        /FILE:1: .*not UTF-8/,
      ],
      ['a file that is not there', () => {}, '.jsonl', /FILE: cannot be read \(ENOENT/],
      ['a Parquet file that is not there', () => {}, '.parquet', /FILE: not readable as Parquet \(ENOENT/],
      [
        'another format',
        f => writeFileSync(f, 'a,b\n'),
        '.csv',
        /FILE: .*expected \.jsonl \(one object a line\) or \.parquet/,
      ],
      [
        'what is no Parquet',
        f => writeFileSync(f, 'PAR1 not quite PAR1'),
        '.parquet',
        /FILE: not readable as Parquet/,
      ],
    ]
    for (const [name, write, ending, message] of cases)
      it(name, () =>
        withFolder(async folder => {
          const file = join(folder, `rows${ending}`)
          write(file)
          await assert.rejects(
            async () => {
              const table = await openTable([file], server)
              try {
                for (const i of range(table.rows)) await table.row(i)
              } finally {
                await table.close()
              }
            },
            (error: Error) => {
              assert.match(error.message.replaceAll(file, 'FILE'), message)
              return true
            },
          )
        }),
      )

    it('a file that has become shorter', () =>
      withFolder(async folder => {
        const file = join(folder, 'rows.jsonl')
        writeFileSync(
          file,
          range(40)
            .map(i => `${json(i)}\n`)
            .join(''),
        )
        const table = await openTable([file], server)
        truncateSync(file, 700)
        await assert.rejects(table.row(39), /rows\.jsonl: has become shorter since it was opened/)
        await table.close()
      }))

    for (const name of ['hang', 'unhandled'])
      it(`cases/parquet/${name}.parquet, and other files are read on`, function () {
        if (sharedMissing) skip(this, sharedMissing)
        return withFolder(async folder => {
          const good = join(folder, 'good.parquet')
          parquetWriteFile({
            filename: good,
            columnData: [{ name: 'text', data: range(500).map(i => `t${i}`) }],
          })
          const table = await openTable([good], server)
          assert.equal((await table.row(7)).get('text'), 't7')
          const bad = shared('cases', 'parquet', `${name}.parquet`)
          await assert.rejects(
            async () => {
              const one = await openTable([bad], server)
              for (const i of range(one.rows)) await one.row(i)
            },
            { code: 'DATA_INVALID' },
          )
          assert.equal((await table.row(400)).get('text'), 't400')
        })
      })

    it('a process that was killed, of the file that it read; others are read by another', () =>
      withFolder(async folder => {
        const own = new ParquetServer()
        const files = ['a', 'b', 'c'].map(name => {
          const filename = join(folder, `${name}.parquet`)
          parquetWriteFile({
            filename,
            columnData: [{ name: 'text', data: range(5).map(i => `${name}${i}`) }],
          })
          return filename
        })
        const tables = await Promise.all(files.map(file => openTable([file], own)))
        // biome-ignore lint/complexity/useLiteralKeys: the process is private
        const { pid } = own['child']!
        process.kill(pid!, 'SIGSTOP')
        const rows = tables.map(table => table.row(3))
        process.kill(pid!, 'SIGKILL')
        await assert.rejects(rows[0]!, {
          code: 'DATA_INVALID',
          message: /a\.parquet: .*its reader broke.*SIGKILL/,
        })
        const rest = await Promise.all(rows.slice(1))
        assert.deepEqual(
          rest.map(row => row.get('text')),
          ['b3', 'c3'],
        )
        const late = tables[0]!.row(1)
        own.close()
        await assert.rejects(late, { code: 'DISPOSED' })
      }))

    it('a Parquet file whose pages lie, while others are still read', () =>
      withFolder(async folder => {
        const [good, bad] = ['good', 'bad'].map(name => join(folder, `${name}.parquet`)) as [string, string]
        for (const filename of [good, bad])
          parquetWriteFile({ filename, columnData: [{ name: 'text', data: range(50).map(i => `t${i}`) }] })
        const bytes = readFileSync(bad)
        writeFileSync(bad, Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(60, 0xff), bytes.subarray(64)]))
        const table: RowTable = await openTable([good], server)
        await assert.rejects(openTable([bad], server), { code: 'DATA_INVALID' })
        assert.equal((await table.row(7)).get('text'), 't7')
      }))
  })
})
