// Gives calls token ids in every form that holds them, what is no id, and arrays that change after the call.
import { strict as assert } from 'node:assert'
import { loadModel, type Model, type Text } from '../src/index.ts'
import { defaultModel } from './tiny-model.ts'

/** The embedded default has ids 0 to 257. */
const ids = [1, 5, 200, 7]
const forms: Record<string, (ids: number[]) => ArrayLike<number | bigint>> = {
  'an array of bigints': ids => ids.map(BigInt),
  'an array of both': ids => ids.map((id, i) => (i % 2 ? id : BigInt(id))),
  'a BigInt64Array': ids => BigInt64Array.from(ids.map(BigInt)),
  'a BigUint64Array': ids => BigUint64Array.from(ids.map(BigInt)),
  'an Int32Array': ids => Int32Array.from(ids),
  'a Uint8Array': ids => Uint8Array.from(ids),
  'a Float64Array': ids => Float64Array.from(ids),
  'a part of a larger array': ids => Uint16Array.from([9, ...ids, 9]).subarray(1, 1 + ids.length),
  'shared memory': ids => {
    const shared = new Int32Array(new SharedArrayBuffer(4 * ids.length))
    shared.set(ids)
    return shared
  },
}

const notIds: [name: string, value: unknown, code: string, says: RegExp][] = [
  [
    'a text among ids',
    [1, '5'],
    'INVALID_ARGUMENT',
    /token 1 is the text "5"; expected a token id, an integer from 0 to 257/,
  ],
  ['null', [null], 'INVALID_ARGUMENT', /token 0 is null; expected a token id/],
  ['a hole', new Array(2), 'INVALID_ARGUMENT', /token 0 is undefined; expected a token id/],
  ['a nested array', [[1, 2]], 'INVALID_ARGUMENT', /token 0 is \[1,2\]; expected a token id/],
  ['an object', [{ id: 1 }], 'INVALID_ARGUMENT', /token 0 is {"id":1}; expected a token id/],
  ['a boolean', [true], 'INVALID_ARGUMENT', /token 0 is true; expected a token id/],
  ['NaN', [Number.NaN], 'TOKEN_OUT_OF_RANGE', /token 0 is NaN; ids of this model are 0 to 257/],
  ['a float', [1.5], 'TOKEN_OUT_OF_RANGE', /token 0 is 1\.5;/],
  ['a float of a typed array', Float32Array.of(0.5), 'TOKEN_OUT_OF_RANGE', /token 0 is 0\.5;/],
  ['a negative bigint', [-1n], 'TOKEN_OUT_OF_RANGE', /token 0 is -1;/],
  [
    'a large bigint',
    BigUint64Array.of(2n ** 64n - 1n),
    'TOKEN_OUT_OF_RANGE',
    /token 0 is 18446744073709552000;/,
  ],
  ['a bigint that is 1 in 32 bits', [2n ** 32n + 1n], 'TOKEN_OUT_OF_RANGE', /token 0 is 4294967297;/],
  [
    'a Buffer',
    Buffer.from('a'),
    'INVALID_ARGUMENT',
    /is a Buffer; expected .*\. Its toString\(\) is a text$/,
  ],
  ['a DataView', new DataView(new ArrayBuffer(4)), 'INVALID_ARGUMENT', /is DataView/],
  ['a number', 5, 'INVALID_ARGUMENT', /is 5; expected/],
  ['an array-like object', { length: 1, 0: 1 }, 'INVALID_ARGUMENT', /is {"0":1,"length":1}; expected/],
  ['a Set', new Set([1]), 'INVALID_ARGUMENT', /is Set\(1\) { 1 }; expected/],
]

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('token ids', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())

  const options = { maxTokens: 3, stopIds: [] }
  const uses: Record<string, (ids: Text) => Promise<unknown>> = {
    'a prompt to score': prompt => model.score([{ prompt, continuations: [[7]] }]),
    'a continuation': continuation => model.score([{ prompt: [1], continuations: ['a', continuation] }]),
    'a prompt to score of a stream': prompt => all(model.scoreStream([{ prompt, continuations: ['a'] }])),
    'a prompt': prompt => model.generate([prompt], options),
    'a prompt of a stream of results': prompt => all(model.generateEach([prompt], options)),
    'a prompt of a stream of text': async prompt => all(model.generateStream(prompt, options)),
    'a text for perplexity': text => model.perplexity(text, { window: 3 }),
    'a sequence for logits': ids => model.logits(ids as ArrayLike<number>),
  }
  for (const [use, run] of Object.entries(uses)) {
    it(`may come in any form as ${use}`, async () => {
      const expected = await run(ids)
      for (const [form, make] of Object.entries(forms)) assert.deepEqual(await run(make(ids)), expected, form)
    })
    it(`are told from what is no id as ${use}`, async () => {
      for (const [name, value, code, message] of notIds)
        await assert.rejects(run(value as Text), { name: 'MtLlamaError', code, message }, name)
    })
  }

  it('are no text for logits, whose digits would be taken for ids', () =>
    assert.rejects(model.logits('12' as unknown as number[]), {
      ...{ name: 'MtLlamaError', code: 'INVALID_ARGUMENT' },
      message: 'the sequence is "12"; expected an array of token ids',
    }))

  describe('of an array that changes once the call was made', () => {
    const make = () => {
      const prompts = [Int32Array.from(ids), [...ids], BigInt64Array.from(ids.map(BigInt))]
      const requests = prompts.map(prompt => ({
        prompt: prompt as Text,
        continuations: [[...ids], Int32Array.from(ids)],
      }))
      const spoil = () => {
        for (const prompt of prompts) prompt.fill((typeof prompt[0] === 'bigint' ? 0n : 0) as never)
        for (const request of requests) {
          for (const continuation of request.continuations) continuation.fill(0)
          request.continuations.length = 0
          request.prompt = []
        }
        requests.length = 0
        prompts.length = 1
      }
      return { prompts, requests, spoil }
    }
    const calls: Record<string, (made: ReturnType<typeof make>) => Promise<unknown>> = {
      'score()': ({ requests }) => model.score(requests),
      'generate()': ({ prompts }) => model.generate(prompts, options),
      'perplexity()': ({ prompts }) => model.perplexity(prompts[0]!, { window: 3 }),
      'logits()': ({ prompts }) => model.logits(prompts[0]!),
    }
    for (const [name, call] of Object.entries(calls))
      it(`are those of the time of the call: ${name}`, async () => {
        const expected = await call(make())
        const made = make()
        const running = call(made)
        made.spoil()
        assert.deepEqual(await running, expected)
      })

    it('are those of the time of the call: options of generate()', async () => {
      const sampling = { maxTokens: 20, temperature: 1, seed: 5 }
      const [whole] = await model.generate([ids], { ...sampling, stopIds: [] })
      const end = whole!.tokens[5]!
      const expected = await model.generate([ids], { ...sampling, stopIds: [end], stop: ['never seen'] })
      const [stopIds, stop] = [[end], ['never seen']]
      const running = model.generate([ids], { ...sampling, stopIds, stop })
      stopIds.length = 0
      stop[0] = whole!.text[0]!
      assert.deepEqual(await running, expected)
    })
  })
})
