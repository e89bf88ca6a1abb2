// Reads Parquet files that nobody vouches for: whatever is in them, reading ends in rows or in DATA_INVALID.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parquetMetadata } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { parquetWriteBuffer, parquetWriteFile } from 'hyparquet-writer'
import { WholeFloat } from '../src/data/exact-numbers.ts'
import { parquetFields } from '../src/data/parquet.ts'
import { cardAsks } from './card-work.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

describe('Parquet', () => {
  let folder: string
  let file: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-parquet-'))
    mkdirSync(join(folder, 'copa'))
    file = join(folder, 'copa', 'validation.parquet')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const read = async (path = file) => {
    const rows: Record<string, unknown>[] = []
    for await (const row of parquetFields(path)) rows.push(row)
    return rows
  }
  const columns = (count: number) => [
    { name: 'premise', data: Array.from({ length: count }, (_, i) => `text ${i}`) },
    { name: 'label', data: Array.from({ length: count }, (_, i) => BigInt((i * i) % 3)) },
    { name: 'answers', data: Array.from({ length: count }, (_, i) => ({ text: [`a${i}`, 'b'] })) },
  ]
  const sound = (options: object = {}) =>
    Buffer.from(parquetWriteBuffer({ columnData: columns(60), ...options }) as ArrayBuffer)

  it('tells floats without a fraction from whole numbers, and keeps large ones', async () => {
    const large = 9007199254740993n
    const columnData = [
      { name: 'float', data: [2, 0.5], type: 'DOUBLE' },
      { name: 'single', data: [3, 0.5], type: 'FLOAT' },
      { name: 'int', data: [2, 3], type: 'INT32' },
      { name: 'long', data: [large, 7n], type: 'INT64' },
    ] as const
    parquetWriteFile({
      filename: file,
      columnData: columnData.map(column => ({ ...column, data: [...column.data] })),
    })
    const [first, second] = await read()
    const whole = (value: number) => new WholeFloat(value)
    assert.deepEqual(first, { float: whole(2), single: whole(3), int: 2, long: large })
    assert.deepEqual(second, { float: 0.5, single: 0.5, int: 3, long: 7 })
  })

  it('is rows of plain values, whatever the compression', async () => {
    const wanted = columns(60)[0]!.data.map((premise, i) => ({
      ...{ premise, label: (i * i) % 3, answers: { text: [`a${i}`, 'b'] } },
    }))
    for (const options of [
      {},
      { codec: 'UNCOMPRESSED' },
      { codec: 'GZIP', compressors: { GZIP: (bytes: Uint8Array) => gzipSync(bytes) } },
      { rowGroupSize: 7 },
    ]) {
      writeFileSync(file, sound(options))
      assert.deepEqual(await read(), wanted, JSON.stringify(options))
    }
  })

  it('of far more rows than bytes is read, as labels repeat', async () => {
    const count = 150_000
    const data = Array.from({ length: count }, () => 'the same')
    parquetWriteFile({ filename: file, columnData: ['a', 'b'].map(name => ({ name, data })) })
    assert.ok(readFileSync(file).length < count / 10)
    assert.deepEqual((await read()).at(-1), { a: 'the same', b: 'the same' })
  })

  for (const name of ['hang', 'unhandled']) {
    it(`cases/parquet/${name}.parquet is DATA_INVALID, naming the file`, async function () {
      if (sharedMissing) skip(this, sharedMissing)
      copyFileSync(shared('cases', 'parquet', `${name}.parquet`), file)
      await assert.rejects(cardAsks('copa', folder), {
        code: 'DATA_INVALID',
        message: /copa\/validation\.parquet: not readable as Parquet \(.+\)\.$/,
      })
    })
  }

  /** Finds where the column's first page of data begins, and where its header ends. */
  const pageOf = (bytes: Buffer, column: number) => {
    const { row_groups } = parquetMetadata(new Uint8Array(bytes).buffer)
    const { data_page_offset } = row_groups[0]!.columns[column]!.meta_data!
    const reader = { view: new DataView(new Uint8Array(bytes).buffer), offset: Number(data_page_offset) }
    const header = parquetHeader(reader)
    return { start: Number(data_page_offset), body: reader.offset, header }
  }

  /** A varint of 2^32 - 2: a run of 2^31 - 1 values. */
  const endlessRun = [0xfe, 0xff, 0xff, 0xff, 0x0f, 1]

  const hostile: [title: string, change: (bytes: Buffer) => Buffer, message: RegExp][] = [
    [
      'a run of two thousand million labels',
      bytes => {
        const { body, header } = pageOf(bytes, 1)
        const levels = header.data_page_header_v2!.definition_levels_byte_length
        // After the levels comes the width of the indices, then their runs.
        Buffer.from(endlessRun).copy(bytes, body + levels + 1)
        return bytes
      },
      /takes more computing than its size can need|took more memory than its size can need/,
    ],
    [
      'a page of negative size',
      bytes => {
        const { start } = pageOf(bytes, 1)
        // Thrift: page type, uncompressed size, then the compressed size, a zigzag varint: odd is negative.
        const at = bytes.indexOf(0x15, bytes.indexOf(0x15, start + 1) + 1) + 1
        bytes[at]! |= 1
        return bytes
      },
      /a page of column label says that it has -\d+ bytes/,
    ],
    [
      'a file that is cut',
      bytes => Buffer.concat([bytes.subarray(0, 50), bytes.subarray(90)]),
      /not readable as Parquet/,
    ],
    ['nothing', () => Buffer.alloc(0), /not readable as Parquet/],
    ['its magic number alone', () => Buffer.from('PAR1'), /not readable as Parquet/],
    ['zeros', () => Buffer.alloc(10_000), /footer != PAR1/],
  ]
  for (const [title, change, message] of hostile) {
    it(`${title} is DATA_INVALID`, async () => {
      writeFileSync(file, change(sound({ codec: 'UNCOMPRESSED' })))
      await assert.rejects(read(), { code: 'DATA_INVALID', message })
    })
  }

  it('of any bytes changed ends in rows or DATA_INVALID', async function () {
    this.timeout(1_200_000)
    const sources = [sound(), sound({ codec: 'UNCOMPRESSED' })]
    // xorshift32 makes the same files in every run.
    let state = 20_261_128
    const below = (limit: number) => {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return (state >>> 0) % limit
    }
    const outcomes = { rows: 0, DATA_INVALID: 0 }
    const one = async (number: number) => {
      const bytes = Buffer.from(sources[number % 2]!)
      for (let changes = 1 + below(3); changes > 0; changes--) {
        const value = below(2) === 0 ? [0, 1, 127, 128, 255][below(5)]! : below(256)
        bytes[below(bytes.length)] = value
      }
      const path = join(folder, `${number}.parquet`)
      writeFileSync(path, bytes)
      await read(path).then(
        () => outcomes.rows++,
        error => {
          assert.equal(error.code, 'DATA_INVALID', error.stack)
          assert.ok(error.message.startsWith(`${path}: not readable as Parquet (`), error.message)
          outcomes.DATA_INVALID++
        },
      )
    }
    const files = process.env.MT_LLAMA_VERIFY === '1' ? 600 : 24
    for (let number = 0; number < files; number += 3) await Promise.all([0, 1, 2].map(i => one(number + i)))
    assert.ok(outcomes.rows > 0 && outcomes.DATA_INVALID > 0, JSON.stringify(outcomes))
  })

  it('without a process to read it is an error that says so', async () => {
    writeFileSync(file, sound())
    const { execPath } = process
    process.execPath = join(folder, 'no-node')
    try {
      await assert.rejects(read(), {
        code: 'INTERNAL',
        message: /no process to read it could be started \(.*ENOENT/,
      })
    } finally {
      process.execPath = execPath
    }
  })
})
