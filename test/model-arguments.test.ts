// Gives every public function every kind of wrong value: each is an MtLlamaError that names the argument.
import { strict as assert } from 'node:assert'
import {
  listDevices,
  loadModel,
  loadTokenizer,
  type Model,
  MtLlamaError,
  openCheckpoint,
} from '../src/index.ts'
import { defaultModel } from './tiny-model.ts'

const throws = () => {
  throw new RangeError('a trap of the caller')
}
const hostile = new Proxy({}, { get: throws, has: throws, ownKeys: throws, getPrototypeOf: throws })
const hostileArray = new Proxy([1, 2], { get: throws })
const revoked = (() => {
  const { proxy, revoke } = Proxy.revocable([], {})
  revoke()
  return proxy
})()
const cyclic: Record<string, unknown> = {}
cyclic.self = cyclic

const values: Record<string, unknown> = {
  ...{ null: null, true: true, 'a number': 5, '-1': -1, NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY },
  ...{ '1.5': 1.5, '2 ** 53': 2 ** 53, 'a bigint': 5n, 'a text': 'x', 'an empty text': '', digits: '5' },
  ...{
    'a symbol': Symbol('s'),
    'a function': () => {},
    'a class': class {},
    'a promise': Promise.resolve(1),
  },
  ...{ 'an object': {}, 'a bare object': Object.create(null), 'a cycle': cyclic, 'a Map': new Map([[1, 2]]) },
  ...{
    'a Set': new Set(['a']),
    'a Date': new Date(0),
    'a boxed text': new String('a'),
    'an error': new Error('e'),
  },
  ...{ 'an array': [], 'an array of null': [null], 'nested arrays': [[[]]], 'an array of texts': ['x'] },
  ...{ 'an array of objects': [{}], 'a hole': new Array(1), 'an array of symbols': [Symbol('t')] },
  ...{
    'a typed array': Int32Array.of(1),
    'a DataView': new DataView(new ArrayBuffer(4)),
    'a Buffer': Buffer.from('a'),
  },
  ...{ 'a signal': new AbortController().signal, 'a controller': new AbortController() },
  ...{ 'a hostile proxy': hostile, 'a hostile array': hostileArray, 'a revoked proxy': revoked },
  'an object that cannot be printed': { toString: throws, toJSON: throws, [Symbol.toPrimitive]: throws },
}

const isInteger = (min: number, max: number) => (value: unknown) =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max
const isNumber = (min: number, max: number) => (value: unknown) =>
  typeof value === 'number' && value >= min && value <= max
const isOne =
  (...accepted: unknown[]) =>
  (value: unknown) =>
    accepted.includes(value)
const isNone = () => false
const isBoolean = isOne(true)
const isFunction = (value: unknown) => typeof value === 'function'
/** Values that throw an error of the caller's own when they are looked at or called. */
const isHostile = (value: unknown) => [hostile, hostileArray, revoked, values['a class']].includes(value)
const isSignal = isOne(values['a signal'])
const isIds = isOne(values['a typed array'])
const isText = isOne('x', '', '5', values['a typed array'], values['an array'])

interface Argument {
  /** What the message must name. */
  says: string | RegExp
  accepts: (value: unknown) => boolean
  call: (value: never) => unknown
  /** Whether what the caller's code throws comes through. */
  throwsOwn?: boolean
}

let model: Model
before(async () => {
  model = await loadModel(defaultModel)
})
after(() => model.dispose())

const request = { prompt: 'a', continuations: ['b'] }
const messages = [{ role: 'user', content: 'a' }]
const vocabSize = 258
const contextLength = 2048

async function toEnd(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

type Options = Record<string, unknown>
/** The calls by their names; each takes options. */
const calls: Record<string, (options: never) => unknown> = {
  loadModel: async options => (await loadModel(defaultModel, options)).dispose(),
  score: options => model.score([request], options),
  scoreStream: options => toEnd(model.scoreStream([request], options)),
  generate: (options: Options) => model.generate(['a'], bounded(options)),
  generateEach: (options: Options) => toEnd(model.generateEach(['a'], bounded(options))),
  generateStream: (options: Options) => toEnd(model.generateStream('a', bounded(options))),
  chat: (options: Options) => model.chat(messages, bounded(options, { template: 'release' })),
  chatStream: (options: Options) =>
    toEnd(model.chatStream(messages, bounded(options, { template: 'release' }))),
  applyChatTemplate: (options: Options) => model.applyChatTemplate(messages, released(options)),
  perplexity: options => model.perplexity('ab', options),
  logits: options => model.logits([1], options),
}

/** Sets a small number of tokens where the options say none. What is no options stays as it is. */
function bounded(options: Options, defaults: Options = {}): Options {
  return isRecord(options) ? { maxTokens: 2, ...defaults, ...options } : options
}

function released(options: Options): Options {
  return isRecord(options) ? { template: 'release', ...options } : options
}

function isRecord(value: unknown): boolean {
  try {
    return Object.getPrototypeOf(value) === Object.prototype
  } catch {
    return false
  }
}

const encoding: Record<string, Argument['accepts']> = {
  ...{ addBos: isBoolean, parseSpecial: isBoolean, tooLong: isNone },
  ...{ signal: isSignal, onProgress: isFunction },
}
const scoring = { ...encoding, boundary: isNone, topK: isInteger(0, vocabSize) }
const generation = {
  ...encoding,
  ...{ maxTokens: isInteger(1, 2 ** 31 - 1), topK: isInteger(0, vocabSize), seed: isInteger(0, 2 ** 53 - 1) },
  ...{
    temperature: isNumber(0, 1000),
    topP: isNone,
    minP: isNumber(0, 1),
    partialOnAbort: isBoolean,
    // More of them need a temperature.
    n: isInteger(1, 1),
    topLogProbs: isInteger(0, vocabSize),
    repetitionPenalty: isNumber(0.01, 100),
    presencePenalty: isNumber(-2, 2),
    frequencyPenalty: isNumber(-2, 2),
    skipSpecialTokens: isBoolean,
    allowNan: isBoolean,
  },
  stop: isOne('x', '5', values['an array'], values['an array of texts']),
  stopIds: isOne(values['an array'], values['a typed array']),
}
const chat = { ...generation, template: isNone }
const optionsOf: Record<string, Record<string, Argument['accepts']>> = {
  loadModel: {
    dtype: isNone,
    device: isNone,
    threads: isInteger(0, 1024),
    signal: isSignal,
    onProgress: isFunction,
  },
  ...{ score: scoring, scoreStream: scoring },
  ...{ generate: generation, generateEach: generation, generateStream: generation, chat, chatStream: chat },
  applyChatTemplate: { template: isNone, addGenerationPrompt: isBoolean },
  perplexity: {
    ...{ window: isInteger(1, contextLength), stride: isInteger(1, contextLength), parseSpecial: isBoolean },
    ...{ signal: isSignal, onProgress: isFunction },
  },
  logits: { signal: isSignal },
}

/** Values that are accepted as options: an object without anything of its own is as good as {}. */
const isOptions = (value: unknown) =>
  typeof value === 'object' &&
  value !== null &&
  !isArray(value) &&
  value !== hostile &&
  Object.keys(value).length === 0
const isArray = (value: unknown) =>
  [values['a revoked proxy'], hostileArray].includes(value) || Array.isArray(value)

const rows: Record<string, Argument> = {}
for (const [name, call] of Object.entries(calls)) {
  rows[`the options of ${name}()`] = {
    says: /^options is|^unknown option|cannot be read: /,
    accepts: isOptions,
    call,
  }
  for (const [option, accepts] of Object.entries(optionsOf[name]!))
    rows[`${option} of ${name}()`] = {
      says: option,
      accepts,
      call: (value: unknown) => call({ [option]: value } as never),
      throwsOwn: option === 'onProgress',
    }
}

describe('an option of another name', () => {
  for (const [name, call] of Object.entries(calls))
    for (const option of ['max_tokens', 'Signal', 'on_progress', 'constructor'])
      it(`${option} of ${name}() is refused`, () =>
        assert.rejects(async () => await call({ [option]: undefined } as never), {
          code: 'INVALID_ARGUMENT',
          message: new RegExp(`^unknown option "${option}"; there are `),
        }))
})

const isEmptyArray = isOne(values['an array'])
/** The calls that read a source, with what their messages begin with. */
const sources: Record<string, [says: RegExp, call: (source: never) => unknown]> = {
  score: [/^request/, source => model.score(source)],
  scoreStream: [/^request/, source => toEnd(model.scoreStream(source))],
  generate: [/^prompt/, source => model.generate(source, { maxTokens: 2 })],
  generateEach: [/^prompt/, source => toEnd(model.generateEach(source, { maxTokens: 2 }))],
}
for (const [name, [says, call]] of Object.entries(sources)) {
  const isPrompts = name.startsWith('generate')
  // A Map is a source of its entries, here arrays of two ids.
  const isTexts = isOne(...['an array of texts', 'a Set', 'a boxed text', 'a Map'].map(kind => values[kind]))
  const each = (make: (value: unknown) => unknown) => (value: unknown) => call(make(value) as never)
  const wrap = isPrompts ? (value: unknown) => value : (prompt: unknown) => ({ prompt, continuations: ['a'] })
  rows[`the source of ${name}()`] = {
    says,
    accepts: value =>
      isEmptyArray(value) ||
      (isPrompts && isTexts(value)) ||
      (name === 'generate' && typeof value === 'string'),
    call,
  }
  rows[`an item of an array of ${name}()`] = {
    says,
    accepts: isPrompts ? isText : isNone,
    call: each(item => [item]),
  }
  rows[`an item of an iterable of ${name}()`] = {
    says,
    accepts: isPrompts ? isText : isNone,
    call: each(item => [item].values()),
  }
  rows[`a prompt of ${name}()`] = { says, accepts: isText, call: each(value => [wrap(value)]) }
  rows[`an id of ${name}()`] = { says, accepts: isOne(5, 5n), call: each(id => [wrap([1, id])]) }
  const broken: Record<string, (value: unknown) => unknown> = {
    'the iterator': value => ({ [Symbol.iterator]: () => value }),
    'the async iterator': value => ({ [Symbol.asyncIterator]: () => value }),
    'what next() gives': value => ({ [Symbol.iterator]: () => ({ next: () => value }) }),
    'what next() promises': value => ({ [Symbol.asyncIterator]: () => ({ next: async () => value }) }),
    'next()': value => ({ [Symbol.iterator]: () => ({ next: value }) }),
    'the method that gives an iterator': value => ({ [Symbol.iterator]: value }),
  }
  for (const [what, make] of Object.entries(broken))
    rows[`${what} of the source of ${name}()`] = {
      says: /^(request|prompt)/,
      accepts: isNone,
      call: each(make),
      throwsOwn: true,
    }
}
for (const name of ['score', 'scoreStream'] as const) {
  const call = sources[name]![1]
  const each = (make: (value: unknown) => unknown) => (value: unknown) => call([make(value)] as never)
  rows[`continuations of ${name}()`] = {
    says: /^request 0/,
    accepts: isOne(values['an array of texts']),
    call: each(continuations => ({ prompt: 'a', continuations })),
  }
  rows[`a continuation of ${name}()`] = {
    says: /^request 0, continuation 1/,
    accepts: isOne('x', '5', values['a typed array']),
    call: each(text => ({ prompt: 'a', continuations: ['b', text] })),
  }
  rows[`a getter of a request of ${name}()`] = {
    says: /^request 0 cannot be read: a trap of the caller$/,
    accepts: isNone,
    call: each(() => ({
      get prompt() {
        return throws()
      },
    })),
  }
}
Object.assign(rows, {
  'the path of loadModel()': {
    says: /^path is|no such file/,
    accepts: isNone,
    call: (path: never) => loadModel(path),
  },
  'the path of openCheckpoint()': {
    says: /^path is|no such file/,
    accepts: isNone,
    call: (path: never) => openCheckpoint(path),
  },
  'the source of loadTokenizer()': {
    says: /^source|no such file/,
    accepts: isNone,
    call: (source: never) => loadTokenizer(source),
  },
  'the prompt of generateStream()': {
    ...{ says: 'prompt 0', accepts: isText },
    call: (prompt: never) => toEnd(model.generateStream(prompt, { maxTokens: 2 })),
  },
  'the text of perplexity()': {
    ...{ says: 'the text', accepts: isOne('x', '5', values['a typed array']) },
    call: (text: never) => model.perplexity(text),
  },
  'an id of perplexity()': {
    says: 'the text',
    accepts: isOne(5, 5n),
    call: (id: never) => model.perplexity([1, id]),
  },
  'the ids of logits()': { says: 'the sequence', accepts: isIds, call: (ids: never) => model.logits(ids) },
  'an id of logits()': {
    says: 'the sequence',
    accepts: isOne(5, 5n),
    call: (id: never) => model.logits([1, id]),
  },
  'a stop id of generate()': {
    ...{ says: 'stopIds', accepts: isOne(5, 5n) },
    call: (id: never) => model.generate(['a'], { maxTokens: 2, stopIds: [1, id] }),
  },
  'a stop of generate()': {
    ...{ says: 'stop', accepts: isOne('x', '5') },
    call: (stop: never) => model.generate(['a'], { maxTokens: 2, stop: ['never', stop] }),
  },
  'the messages of applyChatTemplate()': {
    ...{ says: 'message', accepts: isEmptyArray },
    call: (messages: never) => model.applyChatTemplate(messages, { template: 'release' }),
  },
  'a message of chat()': {
    ...{ says: 'message', accepts: isNone },
    call: (message: never) => model.chat([message], { template: 'release', maxTokens: 2 }),
  },
  'the content of a message of chatStream()': {
    ...{ says: 'message', accepts: isOne('x', '', '5') },
    call: (content: never) =>
      toEnd(model.chatStream([{ role: 'user', content }], { template: 'release', maxTokens: 2 })),
  },
} satisfies Record<string, Argument>)

describe('wrong values', () => {
  for (const [argument, { says, accepts, call, throwsOwn }] of Object.entries(rows))
    it(`of ${argument} are refused by name`, async () => {
      for (const [kind, value] of Object.entries(values)) {
        const found = await outcome(async () => call(value as never))
        if (throwsOwn && isHostile(value)) assert.ok(found instanceof Error, kind)
        else if (accepts(value)) assert.equal(found, undefined, `${kind}: ${found}`)
        else {
          assert.ok(
            found instanceof MtLlamaError,
            `${kind}: ${found === undefined ? 'was taken' : found.stack}`,
          )
          const named = typeof says === 'string' ? found.message.includes(says) : says.test(found.message)
          assert.ok(named, `${kind}: ${found.message}`)
          assert.ok(!/undefined undefined|\[object/.test(found.message), `${kind}: ${found.message}`)
          assert.ok(found.message.length < 500, `${kind}: ${found.message.length} characters`)
        }
      }
    })

  it('a typed array is no source of texts, even one whose buffer is gone', async () => {
    const detached = Int32Array.of(1)
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    for (const source of [new Int32Array(0), Int32Array.of(1), detached])
      for (const call of [model.score(source as never), model.generate(source as never)])
        await assert.rejects(call, { code: 'INVALID_ARGUMENT', message: /expected an array or an/ })
  })

  it('are not needed: undefined is the default of every option', async () => {
    for (const [name, call] of Object.entries(calls)) {
      await call(undefined as never)
      const options = Object.fromEntries(Object.keys(optionsOf[name]!).map(option => [option, undefined]))
      if (name !== 'applyChatTemplate' && !name.startsWith('chat')) await call(options as never)
    }
    assert.ok((await listDevices()).processors.length > 0)
  })
})

async function outcome(call: () => Promise<unknown>): Promise<Error | undefined> {
  try {
    await call()
    return undefined
  } catch (error) {
    return error as Error
  }
}
