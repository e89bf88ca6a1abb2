// Gives calls signals: one for many calls, one that fires at each stage, and values that are none.
import { strict as assert } from 'node:assert'
import { getEventListeners } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { runNative } from '../src/bench/context.ts'
import { loadModel, type Model } from '../src/index.ts'
import { defaultModel } from './tiny-model.ts'

const request = { prompt: 'a', continuations: ['b'] }
const messages = [{ role: 'user', content: 'a' }] as const
const release = { template: 'release', maxTokens: 4 } as const

type Call = (model: Model, options: { signal: AbortSignal }) => Promise<unknown>
/** Each call that takes a signal, to its end. */
const calls: Record<string, Call> = {
  loadModel: async (_, options) => (await loadModel(defaultModel, options)).dispose(),
  score: (model, options) => model.score([request], options),
  scoreStream: (model, options) => toEnd(model.scoreStream([request], options)),
  generate: (model, options) => model.generate(['a'], { ...options, maxTokens: 4 }),
  generateEach: (model, options) => toEnd(model.generateEach(['a'], { ...options, maxTokens: 4 })),
  generateStream: async (model, options) => toEnd(model.generateStream('a', { ...options, maxTokens: 4 })),
  chat: async (model, options) => model.chat(messages, { ...options, ...release }),
  chatStream: async (model, options) => toEnd(model.chatStream(messages, { ...options, ...release })),
  perplexity: (model, options) => model.perplexity('a', options),
  logits: (model, options) => model.logits([1], options),
}

async function toEnd(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

let model: Model
before(async () => {
  model = await loadModel(defaultModel)
})
after(() => model.dispose())

describe('one signal for many calls', () => {
  /** How many calls share a signal. A load takes long, so it has few; Node warns of more than ten listeners. */
  const many = (name: string) => (name === 'loadModel' ? 12 : 100)
  const warnings: Error[] = []
  const warned = (warning: Error) => warnings.push(warning)
  beforeEach(() => {
    warnings.length = 0
    process.on('warning', warned)
  })
  afterEach(() => process.off('warning', warned))
  const start = (name: string, call: Call, signal: AbortSignal) =>
    Array.from({ length: many(name) }, async () => call(model, { signal }))
  const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

  for (const [name, call] of Object.entries(calls))
    it(`has no listener by ${many(name)} of ${name}(), and all of them hear it`, async () => {
      const { signal } = new AbortController()
      const running = start(name, call, signal)
      await nextTurn()
      assert.equal(listeners(signal), 0, 'while they run')
      await Promise.all(running)
      assert.equal(listeners(signal), 0, 'after them')

      const abort = new AbortController()
      const aborted = start(name, call, abort.signal)
      abort.abort(new Error('enough'))
      for (const result of await Promise.allSettled(aborted)) {
        assert.equal(result.status, 'rejected')
        const { name, code, cause } = result.reason
        assert.deepEqual([name, code, cause?.message], ['AbortError', 'ABORTED', 'enough'])
      }
      assert.equal(listeners(abort.signal), 0, 'after the abort')
      await nextTurn()
      assert.deepEqual(warnings, [])
    })

  it('has no listener by native jobs of a benchmark', async () => {
    const { signal } = new AbortController()
    const jobs = Array.from({ length: 100 }, () => runNative(signal, async () => nextTurn()))
    assert.equal(listeners(signal), 0)
    await Promise.all(jobs)
    assert.deepEqual(warnings, [])
  })
})

describe('a signal that is none', () => {
  const wrong: [value: unknown, says: RegExp][] = [
    [new AbortController(), /^signal is AbortController .*; expected an AbortSignal$/],
    [{ aborted: false }, /^signal is {"aborted":false}; expected an AbortSignal$/],
    [5000, /^signal is 5000; expected an AbortSignal$/],
    [null, /^signal is null; expected an AbortSignal$/],
  ]
  for (const [name, call] of Object.entries(calls))
    it(`is refused by ${name}()`, async () => {
      for (const [signal, message] of wrong)
        await assert.rejects(async () => call(model, { signal: signal as AbortSignal }), {
          ...{ name: 'MtLlamaError', code: 'INVALID_ARGUMENT' },
          message,
        })
    })
})
