// Tests CSV: the rows and types that Hugging Face's datasets reads, and what is refused.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parseCsv } from '../src/data/csv.ts'
import type { MtLlamaError } from '../src/index.ts'
import { carried } from './shared.ts'

describe('CSV', () => {
  const { cases } = JSON.parse(readFileSync(carried('csv', 'cases.json'), 'utf8'))
  for (const { name, text, rows } of cases)
    it(`${name}: rows and types are those of datasets`, () => {
      assert.deepEqual(parseCsv(text, 't.csv'), rows)
    })

  const refusals: [what: string, text: string, message: RegExp][] = [
    ['a quote that is not closed', 'a,b\n1,"x\n', /^t\.csv: not readable as CSV \(/],
    ['more cells than the header', 'a,b\n1,2,3\n', /^t\.csv: not readable as CSV \(/],
    ['two columns of one name', 'a,a\n1,2\n', /two columns are called "a"/],
    [
      'whole numbers among others',
      'a\n1\n2.5\n',
      /column "a" holds whole numbers among others; write the rows as JSONL/,
    ],
    ['whole numbers with gaps', 'a,b\n1,x\n,y\n', /column "a" holds whole numbers and empty cells/],
    ['huge whole numbers', 'a\n9007199254740993\n', /column "a" holds whole numbers above 2\^53/],
  ]
  for (const [what, text, message] of refusals)
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parseCsv(text, 't.csv'),
        (error: MtLlamaError) => error.code === 'DATA_INVALID' && message.test(error.message),
      )
    })
})
