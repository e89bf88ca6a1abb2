// Reads wrong fields of configs, rows, lines of JSON and tokenizer files, and compares the errors.
import assert from 'node:assert/strict'
import { Fields } from '../src/checkpoint/fields.ts'
import { Row } from '../src/data/row.ts'
import type { ErrorCode } from '../src/errors.ts'
import { InputLine, textOrIds } from '../src/lines/input-line.ts'
import { Field } from '../src/tokenizer/field.ts'

const values: Record<string, unknown> = {
  ...{ size: 2.5, none: null, flag: 'yes', text: 7, list: { 0: 'a' }, object: [1], texts: ['a', 2] },
  ...{ cell: '["a", 2]', ids: [1, -1], zero: 0 },
}
const config = new Fields(values, 'config.json')
const row = new Row(values, 'copa.tsv, line 2', 1)
const line = new InputLine(values, 'stdin:2')
const root = new Field('tokenizer.json', '', values)

describe('fields', () => {
  const wrong: [read: () => unknown, code: ErrorCode, message: string][] = [
    [
      () => config.size('size'),
      'CHECKPOINT_CORRUPT',
      'config.json: "size" is 2.5; expected a whole number from 1 to 16777216',
    ],
    [
      () => config.size('none'),
      'CHECKPOINT_CORRUPT',
      'config.json: "none" is null; expected a whole number from 1 to 16777216',
    ],
    [
      () => config.positive('zero', 1),
      'CHECKPOINT_CORRUPT',
      'config.json: "zero" is 0; expected a number above 0',
    ],
    [
      () => config.positive('absent'),
      'CHECKPOINT_CORRUPT',
      'config.json: no "absent"; expected a number above 0',
    ],
    [
      () => config.boolean('flag', true),
      'CHECKPOINT_CORRUPT',
      'config.json: "flag" is "yes"; expected true or false',
    ],
    [
      () => config.tokenIds('ids'),
      'CHECKPOINT_CORRUPT',
      'config.json: "ids" is [1,-1]; expected a token id, a list of them, or null',
    ],
    [() => config.object('object'), 'CHECKPOINT_CORRUPT', 'config.json: "object" is [1]; expected an object'],
    [() => row.text('text'), 'DATA_INVALID', 'copa.tsv, line 2: "text" is 7; expected a text.'],
    [
      () => row.text('none', 'absent'),
      'DATA_INVALID',
      `copa.tsv, line 2: no field "none" or "absent"; the row has ${Object.keys(values).join(', ')}.`,
    ],
    [
      () => row.text('constructor'),
      'DATA_INVALID',
      `copa.tsv, line 2: no field "constructor"; the row has ${Object.keys(values).join(', ')}.`,
    ],
    [
      () => row.texts('texts'),
      'DATA_INVALID',
      'copa.tsv, line 2: "texts" is ["a",2]; expected a list of texts.',
    ],
    [
      () => row.texts('cell'),
      'DATA_INVALID',
      'copa.tsv, line 2: "cell" is "[\\"a\\", 2]"; expected a list of texts.',
    ],
    [
      () => row.list('texts'),
      'DATA_INVALID',
      'copa.tsv, line 2: "texts" is ["a",2]; expected a list of objects.',
    ],
    [
      () => row.nested('list').text('0', '1') + row.nested('list').text('1'),
      'DATA_INVALID',
      'copa.tsv, line 2, "list": no field "1"; the row has 0.',
    ],
    [
      () => line.read('ids', textOrIds),
      'DATA_INVALID',
      'stdin:2: "ids" is [1,-1]; expected a text or a list of token ids.',
    ],
    [
      () => line.read('toString', textOrIds),
      'DATA_INVALID',
      'stdin:2: no "toString"; expected a text or a list of token ids.',
    ],
    [
      () => root.get('texts').items()[1]!.string(),
      'TOKENIZER',
      'tokenizer.json: texts[1] is 2; expected a text',
    ],
    [() => root.get('none').string(), 'TOKENIZER', 'tokenizer.json: none is missing; expected a text'],
    [() => root.get('list').get('0').items(), 'TOKENIZER', 'tokenizer.json: list.0 is "a"; expected a list'],
    [() => root.get('size').id(), 'TOKENIZER', 'tokenizer.json: size is 2.5; expected a token id'],
    [
      () => root.get('flag').boolean(true),
      'TOKENIZER',
      'tokenizer.json: flag is "yes"; expected true or false',
    ],
  ]
  for (const [read, code, message] of wrong)
    it(`are refused: ${message}`, () => assert.throws(read, { code, message }))

  it('that are absent or null fall back to what is assumed', () => {
    for (const name of ['none', 'absent']) {
      assert.equal(config.size(name, 3), 3)
      assert.equal(config.boolean(name, true), true)
      assert.deepEqual(config.tokenIds(name), [])
      assert.equal(root.get(name).string('a'), 'a')
      assert.equal(row.has(name), false)
    }
  })
})
