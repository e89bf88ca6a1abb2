// Reads data folders and data files that are not what they should be: each gives an error that names the file, none hangs.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { readLines } from '../src/data/lines.ts'
import { cardAsks } from './card-work.ts'

const copa = { premise: 'p', choice1: 'a', choice2: 'b', question: 'cause', label: 0 }
const line = (fields: object = {}) => JSON.stringify({ ...copa, ...fields })
/** Lists within each other, 100,000 deep. */
const deep = '['.repeat(1e5) + ']'.repeat(1e5)
const sst2 = 'sentence\tlabel\n'

describe('odd data', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-odd-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const place = (name: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    return join(folder, name)
  }
  const load = (name: string) => cardAsks(name, folder)

  const broken: [title: string, file: string, text: string | Uint8Array, message: RegExp][] = [
    ['a line 100,000 lists deep', 'copa/val.jsonl', deep, /val\.jsonl:1: expected an object, found a list/],
    [
      'a field 100,000 lists deep',
      'copa/val.jsonl',
      `${line()}\n${line().replace('"label":0', `"label":${deep}`)}`,
      /line 2: "label" is \[{77}\.\.\.; expected one of 0, 1/,
    ],
    [
      'a text 100,000 lists deep in a cell',
      'squad/dev.tsv',
      `context\tquestion\tanswers\nc\tq\t${deep}`,
      /line 2: "answers" is "\[+\.\.\.; expected a list of objects/,
    ],
    [
      'a row 100,000 lists deep',
      'copa/val.json',
      `[${line()},${deep}]`,
      /val\.json: row 2 is \[+\.\.\.; expected an object/,
    ],
    ['a line cut within a deep list', 'copa/val.jsonl', deep.slice(0, 1e5), /val\.jsonl:1: not JSON/],
    ['NUL bytes for a line', 'copa/val.jsonl', `${line()}\n\0\0\0\0\n`, /val\.jsonl:2: not JSON/],
    ['NUL bytes in a table', 'sst2/dev.tsv', `${sst2}fine\0\t1\n`, /dev\.tsv, line 2: holds a NUL/],
    [
      'UTF-16',
      'sst2/dev.tsv',
      Buffer.from(`\ufeff${sst2}fine\t1`, 'utf16le'),
      /dev\.tsv:1: the line is not UTF-8/,
    ],
    [
      'UTF-16 without a mark',
      'sst2/dev.tsv',
      Buffer.from(`${sst2}fine\t1`, 'utf16le'),
      /line 1: holds a NUL/,
    ],
    [
      'JSON in UTF-16',
      'copa/val.json',
      Buffer.from(`\ufeff[${line()}]`, 'utf16le'),
      /val\.json: the text is not UTF-8/,
    ],
    [
      'JSON that is not UTF-8',
      'copa/val.json',
      Buffer.from(`["\xe9"]`, 'latin1'),
      /val\.json: the text is not UTF-8/,
    ],
    [
      'a lone half of a character',
      'sst2/dev.tsv',
      Buffer.from([0xed, 0xa0, 0x80]),
      /:1: the line is not UTF-8/,
    ],
    ['compressed lines', 'copa/val.jsonl', gzipSync(line()), /val\.jsonl:1: the line is not UTF-8/],
    [
      'a pointer of Git LFS',
      'copa/val.jsonl',
      'version https://git-lfs.github.com/spec/v1\n',
      /:1: not JSON/,
    ],
    ['an empty JSON', 'copa/val.json', '', /val\.json: not JSON/],
    ['an empty list', 'copa/val.json', '[]', /val\.json: no row for COPA/],
    ['a header alone', 'sst2/dev.tsv', sst2, /dev\.tsv: no row for SST-2/],
    [
      'a list for a name',
      'copa/val.jsonl',
      line({ premise: { __proto__: null, a: [] } }),
      /"premise" is \{"a":\[\]\}/,
    ],
  ]
  for (const [title, file, text, message] of broken) {
    it(`${title}: DATA_INVALID`, async () => {
      writeFileSync(place(file), text)
      await assert.rejects(load(dirname(file)), { name: 'MtLlamaError', code: 'DATA_INVALID', message })
    })
  }

  it('marks of byte order, CRLF, deep fields that are not read and ids of any type are no fault', async () => {
    const odd = line().replace('}', `,"other":${deep}}`)
    for (const [text, ids] of [
      [`\ufeff${line()}\r\n\r\n${line()}\r\n`, ['1', '3']],
      [`${odd}\n\ufeff${line()}`, ['1', '2']],
      [`${line({ id: null })}\n${line({ id: { a: [1] } })}\n${line({ idx: 7 })}`, ['null', '{"a":[1]}', '7']],
      [line().replace('"premise"', `"id":${deep},"premise"`), [`${'['.repeat(77)}...`]],
    ] as const) {
      writeFileSync(place('copa/val.jsonl'), text)
      const samples = await load('copa')
      assert.deepEqual(
        samples.map(sample => sample.id),
        ids,
      )
    }
    writeFileSync(place('sst2/dev.tsv'), `\ufeff${sst2.replace('\n', '\r\n')}fine\t1\r\n`)
    assert.equal((await load('sst2')).length, 1)
  })

  it('a line of more than 256 MiB: DATA_INVALID, before it has all been taken', async () => {
    const chunk = Buffer.alloc(2 ** 26, 'x')
    let taken = 0
    const endless = async function* () {
      for (;;) {
        taken++
        yield chunk
      }
    }
    const lines = readLines(endless(), 'big.jsonl')
    await assert.rejects(lines.next(), {
      code: 'DATA_INVALID',
      message: 'big.jsonl:1: the line is longer than 256 MiB; expected one object a line.',
    })
    assert.equal(taken, 5)
  })

  const pipe = (file: string) => execFileSync('mkfifo', [file], { timeout: 10_000 })
  const entries: [title: string, plant: (file: string) => void, message: RegExp][] = [
    ['a folder', file => mkdirSync(file), /cannot be read \(EISDIR: it is a folder\)/],
    ['a pipe', pipe, /cannot be read \(it is a pipe or a device\)/],
    ['a device', file => symlinkSync('/dev/zero', file), /cannot be read \(it is a pipe or a device\)/],
    ['a link to nothing', file => symlinkSync('nothing', file), /cannot be read \(ENOENT/],
    ['a link to itself', file => symlinkSync(file, file), /cannot be read \(ELOOP/],
    ['a link to a folder', file => symlinkSync(folder, file), /cannot be read \(EISDIR/],
  ]
  for (const ending of ['jsonl', 'json', 'tsv', 'parquet']) {
    for (const [title, plant, message] of entries) {
      it(`${title} as validation.${ending}: DATA_NOT_FOUND`, async () => {
        plant(place(`copa/validation.${ending}`))
        await assert.rejects(load('copa'), {
          name: 'MtLlamaError',
          code: 'DATA_NOT_FOUND',
          message: new RegExp(`copa/validation\\.${ending}: ${message.source}`),
        })
      })
    }
  }

  const places: [title: string, plant: (path: string) => void, message: RegExp][] = [
    ['a file', path => writeFileSync(path, ''), /it is a file, not a folder/],
    ['a pipe', pipe, /it is a file, not a folder/],
    ['a link to nothing', path => symlinkSync('nothing', path), /there is no such folder/],
    ['a link to itself', path => symlinkSync(path, path), /cannot be read \(ELOOP/],
  ]
  for (const [title, plant, message] of places) {
    it(`${title} as the folder of a task: DATA_NOT_FOUND`, async () => {
      plant(place('copa'))
      await assert.rejects(load('copa'), { name: 'MtLlamaError', code: 'DATA_NOT_FOUND', message })
    })
  }

  for (const [name, code] of [
    ['a\0b', 'INVALID_ARGUMENT'],
    ['x'.repeat(5000), 'DATA_NOT_FOUND'],
  ] as const)
    it(`a data folder whose name of ${name.length} characters no file can have: ${code}`, () =>
      assert.rejects(cardAsks('copa', name), { name: 'MtLlamaError', code }))
})
