// Holds the writer of large JSON to JSON.stringify().
import assert from 'node:assert/strict'
import { drain } from '../src/calls/slices.ts'
import { jsonBytes } from '../src/server/json-bytes.ts'

const entry = { text: 'é"\\\n', number: -1.5e-7, none: null, left: undefined, list: [1, [2]] }
const values: [name: string, value: object][] = [
  ['no fields', {}],
  ['fields that are left out', { a: undefined, b: 1, c: undefined }],
  ['a field that is left out at the end', { b: 1, c: undefined }],
  ['empty lists and objects', { a: [], b: {}, c: [[]], d: [{}] }],
  ['what JSON writes as null', { a: [Number.NaN, undefined, 1], b: Number.NaN }],
  ['names of any kind', JSON.parse('{"__proto__": 1, "\\"": [2], "constructor": {"a": 3}}')],
  ['lists of all kinds', { a: [entry, null, 'b', 3], b: [null, entry], c: entry, d: 'e' }],
  [
    'lists of more than a piece',
    {
      first: Array(2 ** 16).fill(1.25),
      next: Array(3000).fill(entry),
      texts: Array(2 ** 15).fill('word'),
      last: [],
    },
  ],
]

describe('JSON in pieces', () => {
  for (const [name, value] of values)
    it(`is what JSON.stringify() gives: ${name}`, () => {
      assert.equal(Buffer.concat(drain(jsonBytes(value))).toString(), JSON.stringify(value))
    })

  it('leaves turns between the entries of long lists', () => {
    let turns = 0
    for (const _ of jsonBytes({ data: Array.from({ length: 100 }, () => Array(8192).fill(0.123456)) }))
      turns++
    assert.ok(turns >= 50, `${turns} turns`)
  })
})
