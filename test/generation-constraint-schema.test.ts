// Constraints by JSON schemas: what comes is valid as ajv has it, though a random model at a high temperature writes it.
import { strict as assert } from 'node:assert'
import { existsSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { type GenerateOptions, loadModel, type Model } from '../src/index.ts'
import { shared } from './shared.ts'
import { skip } from './skip.ts'
import { defaultModel } from './tiny-model.ts'

type Schema = object | boolean

const words = { type: 'string', enum: ['north', 'south', 'é "quoted" \\ \n', ''] }
const point = {
  type: 'object',
  properties: { x: { type: 'number' }, y: { type: 'integer' } },
  required: ['x', 'y'],
}
const list = { type: 'array', maxItems: 3 }
const short = { type: 'string', maxLength: 5 }

const schemas: Record<string, Schema> = {
  'any JSON': {},
  'true, any JSON': true,
  'any object': { type: 'object' },
  'any array': { type: 'array' },
  'a string': { type: 'string' },
  'a string of some length': { type: 'string', minLength: 2, maxLength: 6 },
  'a string by a pattern': { type: 'string', pattern: '^[a-z]{2}-\\d+$' },
  'a string with a pattern somewhere': { type: 'string', pattern: '\\d\\d' },
  'a string with a pattern at an end': { type: 'string', pattern: '^a{2,3}$|^[bc]?d$' },
  'a string by a pattern with escapes': { type: 'string', pattern: '^["\\\\\\n\\t\\x00-\\x08é/]{4}$' },
  'a string of anything but': { type: 'string', pattern: '^[^a-z]{3}$' },
  ...Object.fromEntries(
    ['date-time', 'date', 'time', 'duration', 'email', 'hostname', 'ipv4', 'uuid'].map(format => [
      `a string of the format ${format}`,
      { type: 'string', format },
    ]),
  ),
  'a pattern beside a format': { type: 'string', format: 'date', pattern: '^1999-12-\\d\\d$' },
  'a number': { type: 'number' },
  'an integer': { type: 'integer' },
  'a boolean': { type: 'boolean' },
  null: { type: 'null' },
  'several types': { type: ['integer', 'boolean', 'null'] },
  'an enum': words,
  'an enum of all kinds': { enum: [1, 'a', null, true, [1, 2], { b: [] }, -0.5e-7] },
  'an enum, of which a type leaves some': { type: 'string', enum: ['a', 1, 'b'] },
  'a const': { const: { a: [1, { b: null }] } },
  'a const of null': { const: null },
  'integers between bounds': { type: 'integer', minimum: -17, maximum: 205 },
  'integers beyond bounds': { type: 'integer', exclusiveMinimum: -3, exclusiveMaximum: 3 },
  'integers above a bound': { type: 'integer', minimum: 998 },
  'integers below a bound': { type: 'integer', maximum: -998 },
  'integers between broken bounds': { type: 'integer', minimum: 0.5, maximum: 9.5 },
  'one integer': { type: 'integer', minimum: 42, maximum: 42 },
  'two bounds, of which one counts': {
    type: 'integer',
    minimum: 3,
    exclusiveMinimum: 5,
    maximum: 9,
    exclusiveMaximum: 8,
  },
  'numbers between bounds': { type: 'number', minimum: 0, maximum: 1 },
  'numbers within bounds': { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
  'numbers below and above zero': { type: 'number', minimum: -2, exclusiveMaximum: 3 },
  'numbers below zero': { type: 'number', exclusiveMinimum: -12, maximum: -9 },
  'numbers above a bound': { type: 'number', exclusiveMinimum: 10 },
  'numbers below a bound': { type: 'number', maximum: -10 },
  'bounds of a large size': { type: 'number', minimum: 999999999, exclusiveMaximum: 1000000000 },
  'an object': { ...point, additionalProperties: false },
  'an object of optional properties': { type: 'object', properties: { a: short, b: short, c: short } },
  'optional and required properties': {
    ...{ type: 'object', properties: { a: short, b: short, c: short, d: short }, required: ['b', 'd'] },
    additionalProperties: false,
  },
  'required properties without a schema': { type: 'object', properties: { a: short }, required: ['zz', 'a'] },
  'others of a schema': {
    type: 'object',
    properties: { a: short },
    additionalProperties: { type: 'boolean' },
  },
  'others alone': { type: 'object', additionalProperties: { type: 'integer', minimum: 0, maximum: 9 } },
  'others whose names begin like known ones': {
    ...{
      type: 'object',
      properties: { ab: { const: 1 }, abc: { const: 2 }, 'é"': { const: 3 } },
      required: ['abc'],
    },
    additionalProperties: { const: 'other' },
  },
  'names with escapes': {
    type: 'object',
    properties: { 'a"b\\c\n/~': { type: 'null' } },
    required: ['a"b\\c\n/~'],
  },
  'objects in objects': {
    ...{ type: 'object', required: ['from', 'to'] },
    properties: { from: point, to: { type: 'object', properties: { at: point }, required: ['at'] } },
  },
  'keywords without a type': { properties: { a: { minLength: 1, maxLength: 3 } }, required: ['a'] },
  'an array of items': { ...list, items: { type: 'boolean' } },
  'an array of some length': { type: 'array', items: words, minItems: 2, maxItems: 4 },
  'an array of one length': { type: 'array', items: { type: 'integer' }, minItems: 3, maxItems: 3 },
  'an array of at least some': { type: 'array', items: { type: 'boolean' }, minItems: 2 },
  'an empty array': { type: 'array', maxItems: 0 },
  'an empty array, as no item is valid': { type: 'array', items: false },
  'first items': { type: 'array', prefixItems: [words, { type: 'integer' }], minItems: 1, items: false },
  'first items, then others': {
    ...{ type: 'array', prefixItems: [{ type: 'null' }, { type: 'integer' }], minItems: 3, maxItems: 5 },
    items: { type: 'boolean' },
  },
  'fewer items than there are first ones': {
    type: 'array',
    prefixItems: [true, true, true],
    maxItems: 2,
    minItems: 1,
  },
  anyOf: { anyOf: [{ type: 'string', maxLength: 3 }, { type: 'integer' }, point] },
  'oneOf of other types': { oneOf: [{ type: 'integer' }, { type: 'string' }, { type: 'null' }] },
  'oneOf with tags': {
    oneOf: [
      {
        type: 'object',
        properties: { kind: { const: 'a' }, n: { type: 'integer' } },
        required: ['kind', 'n'],
      },
      { type: 'object', properties: { kind: { enum: ['b', 'c'] } }, required: ['kind'] },
    ],
  },
  'oneOf with references and a discriminator, as pydantic writes it': {
    ...{ oneOf: [{ $ref: '#/$defs/Cat' }, { $ref: '#/$defs/Dog' }] },
    discriminator: { propertyName: 'kind', mapping: { cat: '#/$defs/Cat', dog: '#/$defs/Dog' } },
    $defs: {
      Cat: {
        type: 'object',
        title: 'Cat',
        properties: { kind: { const: 'cat', type: 'string' } },
        required: ['kind'],
      },
      Dog: {
        type: 'object',
        title: 'Dog',
        properties: { kind: { const: 'dog', type: 'string' } },
        required: ['kind'],
      },
    },
  },
  'oneOf of many constants': {
    oneOf: Array.from({ length: 249 }, (_, i) => ({ const: `${i}`, title: 'x' })),
  },
  'others beside a long name': {
    properties: { ['x'.repeat(250)]: { const: 1 } },
    additionalProperties: { const: 2 },
  },
  'oneOf of constants': {
    oneOf: [{ const: 1 }, { enum: [2, 3] }, { $ref: '#/$defs/four' }],
    $defs: { four: { const: 4 } },
  },
  references: {
    ...{
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'x:y',
      title: 'A line',
      description: 'of points',
    },
    ...{ type: 'object', properties: { a: { $ref: '#/$defs/point~1s' }, b: { $ref: '#/$defs/point~1s' } } },
    ...{ required: ['a', 'b'], $defs: { 'point/s': point } },
  },
  'a reference to itself': {
    ...{
      type: 'object',
      properties: { v: { type: 'integer' }, next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
    },
    required: ['v', 'next'],
  },
  'rules that hold each other': {
    ...{ $ref: '#/$defs/tree' },
    $defs: {
      tree: { type: 'array', items: { $ref: '#/$defs/leaf' }, maxItems: 2 },
      leaf: { anyOf: [{ type: 'boolean' }, { $ref: '#/$defs/tree' }] },
    },
  },
  'a part of which nothing is': {
    anyOf: [{ type: 'integer' }, false, { type: 'array', items: false, minItems: 1 }],
  },
}

describe('constraint: jsonSchema', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())

  for (const [name, jsonSchema] of Object.entries(schemas))
    it(`${name}: every text that ends is valid`, async () => {
      // Beside a pattern a format is not looked at.
      const validateFormats = !name.includes('beside a format')
      const ajv = new Ajv2020({ strict: false, unicodeRegExp: true, validateFormats })
      addFormats.default(ajv)
      const isValid = ajv.compile(jsonSchema)
      const prompts = Array.from({ length: 10 }, (_, i) => `${i}`)
      const options = { temperature: 1.5, maxTokens: 300, seed: 2, n: 4 }
      const results = await model.generate(prompts, { ...options, constraint: { jsonSchema } })
      const texts = results
        .flatMap(({ choices }) => choices!)
        .filter(({ finishReason }) => finishReason === 'stop')
      assert.ok(texts.length >= 4, `${texts.length} of 40 came to an end`)
      for (const { text } of texts) {
        const value: unknown = JSON.parse(text)
        assert.ok(isValid(value), `${text}: ${ajv.errorsText(isValid.errors)}`)
        assert.equal(text, text.trim())
      }
    })

  it('optional properties come and stay away, others come too', async () => {
    const seen = async (jsonSchema: Schema) => {
      // A comma is unlikely by itself.
      const likely = { temperature: 1.5, logitBias: { 44: 4 } }
      const options = { ...likely, maxTokens: 300, seed: 4, constraint: { jsonSchema } }
      const results = await model.generate(
        Array.from({ length: 40 }, (_, i) => `${i}`),
        options,
      )
      const ended = results.filter(({ finishReason }) => finishReason === 'stop')
      return new Set(ended.map(({ text }) => Object.keys(JSON.parse(text)).join()))
    }
    const bit = { type: 'boolean' }
    const pairs = await seen({ type: 'object', properties: { a: bit, b: bit } })
    assert.deepEqual([...pairs].sort(), ['', 'a', 'a,b', 'b'])
    const open = await seen({ type: 'object', properties: { a: bit }, additionalProperties: bit })
    assert.ok(
      [...open].some(names => names !== '' && names !== 'a'),
      [...open].join(' '),
    )
  })

  it('the schema is read at the call', async () => {
    const jsonSchema = { type: 'integer', minimum: 1, maximum: 1 }
    const running = model.generate('x', { constraint: { jsonSchema } })
    jsonSchema.type = 'string'
    assert.equal((await running).text, '1')
  })

  it('a type that is named often is one', async () => {
    const jsonSchema = { type: Array(8000).fill('string'), pattern: '^(?:a|b){9}$' }
    assert.match((await model.generate('x', { constraint: { jsonSchema } })).text, /^"[ab]{9}"$/)
  })

  it('a value in a value may be deeper than any stack', async () => {
    // Of '[' and ']' the model takes the first until the end.
    const options = { logitBias: { 91: 100 }, maxTokens: 1500, constraint: { jsonSchema: {} } }
    assert.equal((await model.generate('x', options)).text, '['.repeat(1500))
  })

  it('a schema that is read in too many ways at once is an error of that text, and no hang', async () => {
    const deeper = { type: 'array', items: { $ref: '#' }, maxItems: 1 }
    const jsonSchema = { anyOf: [deeper, { ...deeper, title: 'b' }, { ...deeper, title: 'c' }] }
    const options = { logitBias: { 91: 100 }, maxTokens: 100, constraint: { jsonSchema } }
    const [failed, fine] = await Promise.allSettled([model.generate('x', options), model.generate('x')])
    assert.equal(fine.status, 'fulfilled')
    assert.deepEqual(failed.status === 'rejected' && [failed.reason.code, failed.reason.message], [
      'INVALID_ARGUMENT',
      'constraint can be read in too many ways at once; make it simpler',
    ])
  })

  const tooDeep = () => {
    let schema: object = {}
    for (let i = 0; i < 200; i++) schema = { items: schema }
    return schema
  }
  const circle: Record<string, unknown> = {}
  circle.items = circle
  const errors: [jsonSchema: unknown, message: RegExp | string][] = [
    ['x', 'constraint has the jsonSchema "x"; expected a JSON schema: an object, true or false'],
    [[], /^constraint has the jsonSchema \[\]; expected a JSON schema/],
    [null, /^constraint has the jsonSchema null; expected a JSON schema/],
    [circle, /^constraint cannot be read: Converting circular structure to JSON/],
    [
      { type: 'object', properties: { x: { type: 'object', patternProperties: {} } } },
      /^constraint: jsonSchema has the unsupported keyword "patternProperties" at #\/properties\/x; supported are properties, required, /,
    ],
    [
      { properties: { a: { format: 'idn-email' } } },
      /^constraint: jsonSchema at #\/properties\/a has the "format" "idn-email"; supported are date-time, date, time, .*, and any beside a "pattern"$/,
    ],
    [{ uniqueItems: true }, /has the unsupported keyword "uniqueItems" at #;/],
    [{ allOf: [{}] }, /has the unsupported keyword "allOf" at #;/],
    [{ not: {} }, /has the unsupported keyword "not" at #;/],
    [
      { properties: { 'a/b~': { multipleOf: 2 } } },
      /has the unsupported keyword "multipleOf" at #\/properties\/a~1b~0;/,
    ],
    [
      { type: 'strin' },
      'constraint: jsonSchema at # has the "type" "strin"; expected one of object, array, string, number, integer, boolean, null, or a list of them',
    ],
    [{ type: ['string', 5] }, /at # has the "type" 5; expected one of/],
    [
      { properties: [] },
      'constraint: jsonSchema at # has the "properties" []; expected an object of schemas',
    ],
    [
      { properties: { a: 5 } },
      'constraint: jsonSchema at #/properties/a is 5; expected a schema: an object, true or false',
    ],
    [{ required: 'a' }, 'constraint: jsonSchema at # has the "required" "a"; expected a list of names'],
    [{ items: [{}] }, /at #\/items is \[\{\}\]; expected a schema/],
    [{ prefixItems: {} }, 'constraint: jsonSchema at # has the "prefixItems" {}; expected a list of schemas'],
    [
      { minItems: -1 },
      'constraint: jsonSchema at # has the "minItems" -1; expected a whole number of 0 or more',
    ],
    [{ minItems: 3, maxItems: 2 }, 'constraint: jsonSchema at # has "minItems" 3 above "maxItems" 2'],
    [{ minLength: 3, maxLength: 2 }, 'constraint: jsonSchema at # has "minLength" 3 above "maxLength" 2'],
    [{ pattern: 5 }, 'constraint: jsonSchema at # has the "pattern" 5; expected a text'],
    [
      { pattern: '(?=a)' },
      /^constraint: jsonSchema's pattern at # is "\(\?=a\)": at character 2 it has lookahead, which/,
    ],
    [
      { pattern: 'a', minLength: 1 },
      /at # has a "pattern" or "format" beside a length, which is not supported together$/,
    ],
    [{ minimum: '1' }, 'constraint: jsonSchema at # has the "minimum" "1"; expected a number'],
    [
      { type: 'number', minimum: 0.5 },
      'constraint: jsonSchema at # bounds a "number" by 0.5; expected a whole number up to 1000000000',
    ],
    [{ enum: [] }, 'constraint: jsonSchema at # has the "enum" []; expected a list of values'],
    [
      { enum: ['a'], minLength: 1 },
      'constraint: jsonSchema at # has "enum" beside "minLength", which is not supported together',
    ],
    [
      { anyOf: [{}], type: 'string' },
      'constraint: jsonSchema at # has "anyOf" beside "type", which is not supported together',
    ],
    [{ anyOf: [] }, /at # has the "anyOf" \[\]; expected a list of schemas$/],
    [
      { oneOf: [{ type: 'integer' }, { type: 'number' }] },
      /at # has a "oneOf" of which #\/oneOf\/0 and #\/oneOf\/1 may both match; expected other types, or a required property of other constants$/,
    ],
    [{ oneOf: [{ minLength: 1 }, { type: 'integer' }] }, /may both match/],
    [{ oneOf: [{ const: { a: 1, b: 2 } }, { const: { b: 2, a: 1 } }] }, /may both match/],
    [
      {
        oneOf: [
          { properties: { k: { const: 1 } }, required: ['k'] },
          { type: 'object', properties: { k: { const: 2 } } },
        ],
      },
      /may both match/,
    ],
    [
      { $ref: 'https://example.com' },
      /at # has a "\$ref" to "https:\/\/example.com"; expected one to a schema that is there, such as #\/\$defs\/name$/,
    ],
    [{ $ref: '#/$defs/a' }, /at # has a "\$ref" to "#\/\$defs\/a"; expected one to a schema that is there/],
    [
      { properties: { a: { $id: 'x:y', $ref: '#/$defs/b', $defs: { b: true } } }, $defs: { b: false } },
      /at #\/properties\/a has a "\$ref" in a schema with an "\$id" within it, which is not supported together$/,
    ],
    [
      { $ref: '#' },
      'constraint: jsonSchema at # has a "$ref" to #, which leads to itself without a value between',
    ],
    [
      {
        $ref: '#/$defs/a',
        $defs: {
          a: { anyOf: [{ items: { $ref: '#/$defs/b' } }, { $ref: '#/$defs/b' }] },
          b: { anyOf: [{ $ref: '#/$defs/a' }, { type: 'null' }] },
        },
      },
      /has a "\$ref" to #\/\$defs\/[ab], which leads to itself without a value between$/,
    ],
    [{ pattern: '\ud800' }, 'constraint: jsonSchema lets no text be: none matches it'],
    [
      { type: 'integer', minimum: 1e15 },
      'constraint: jsonSchema at # bounds an "integer" by 1000000000000000; expected at most 15 digits',
    ],
    [
      { type: 'integer', exclusiveMaximum: -1e15 },
      /at # bounds an "integer" by -1000000000000000; expected at most 15 digits$/,
    ],
    [
      { items: { $ref: '#/items' } },
      /has a "\$ref" to #\/items, which leads to itself without a value between$/,
    ],
    [
      { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] },
      'constraint: jsonSchema lets no text be: none matches it',
    ],
    [false, 'constraint: jsonSchema lets no text be: none matches it'],
    [{ type: 'integer', minimum: 3, maximum: 2 }, 'constraint: jsonSchema lets no text be: none matches it'],
    [{ type: 'number', minimum: 5, exclusiveMaximum: 5 }, /lets no text be: none matches it$/],
    [{ type: 'number', exclusiveMinimum: 5, maximum: 5 }, /lets no text be: none matches it$/],
    [
      { oneOf: Array.from({ length: 302 }, (_, i) => ({ const: i })) },
      'constraint: jsonSchema at # has a "oneOf" of more schemas than can be told apart',
    ],
    [
      { properties: { ['x'.repeat(251)]: {} }, additionalProperties: {} },
      /at # has a property whose name has 251 characters beside "additionalProperties"; expected at most 250$/,
    ],
    [{ enum: Array.from({ length: 30000 }, (_, i) => i) }, /^constraint: jsonSchema takes more than 50000/],
    [{ enum: ['x'.repeat(150000)] }, /^constraint: jsonSchema takes more than 50000 states/],
    [{ type: 'string', maxLength: 100000 }, /^constraint: jsonSchema takes more than 50000 states/],
    [{ enum: ['x'.repeat(200000)] }, /has a jsonSchema of 200013 characters; expected at most 200000$/],
    [{ prefixItems: Array(101).fill({}) }, 'constraint: jsonSchema at # has more than 100 "prefixItems"'],
    [tooDeep(), /is nested deeper than 100 schemas$/],
  ]
  for (const [jsonSchema, message] of errors)
    it(`refuses with ${message}`, () =>
      assert.rejects(model.generate('a', { constraint: { jsonSchema } } as GenerateOptions), {
        code: 'INVALID_ARGUMENT',
        message,
      }))
})

describe('constraint: jsonSchema, with a model that can write', () => {
  const folder = shared('models', 'smollm2-135m')

  it('its values are sensible', async function () {
    if (!existsSync(folder)) skip(this, `${folder} is not there`)
    await using model = await loadModel(folder)
    const jsonSchema = {
      type: 'object',
      properties: {
        capital: { type: 'string', maxLength: 30 },
        continent: { enum: ['Europe', 'Asia', 'Africa'] },
      },
      required: ['capital', 'continent'],
    }
    const prompt = 'Facts about France as JSON, with its capital and its continent:\n'
    const { text, finishReason } = await model.generate(prompt, { constraint: { jsonSchema } })
    assert.equal(finishReason, 'stop')
    assert.deepEqual(JSON.parse(text), { capital: 'Paris', continent: 'Europe' })
  })
})
