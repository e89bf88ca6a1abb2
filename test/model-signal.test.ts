// A signal that is none, given to each call that takes one.
import { strict as assert } from 'node:assert'
import { loadModel, type Model } from '../src/index.ts'
import { defaultModel } from './tiny-model.ts'

describe('a signal that is none', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel)
  })
  after(() => model.dispose())

  const request = { prompt: 'a', continuations: ['b'] }
  const messages = [{ role: 'user', content: 'a' }] as const
  const calls: Record<string, (options: { signal: AbortSignal }) => unknown> = {
    loadModel: options => loadModel(defaultModel, options),
    score: options => model.score([request], options),
    scoreStream: options => model.scoreStream([request], options).next(),
    generate: options => model.generate(['a'], options),
    generateEach: options => model.generateEach(['a'], options).next(),
    generateStream: options => model.generateStream('a', options).next(),
    chat: options => model.chat(messages, { ...options, template: 'release' }),
    chatStream: options => model.chatStream(messages, { ...options, template: 'release' }).next(),
    perplexity: options => model.perplexity('a', options),
    logits: options => model.logits([1], options),
  }
  const wrong: [value: unknown, says: RegExp][] = [
    [new AbortController(), /^signal is AbortController .*; expected an AbortSignal$/],
    [{ aborted: false }, /^signal is { aborted: false }; expected an AbortSignal$/],
    [5000, /^signal is 5000; expected an AbortSignal$/],
    [null, /^signal is null; expected an AbortSignal$/],
  ]
  for (const [name, call] of Object.entries(calls))
    it(`is refused by ${name}()`, async () => {
      for (const [signal, message] of wrong)
        await assert.rejects(async () => call({ signal: signal as AbortSignal }), {
          ...{ name: 'MtLlamaError', code: 'INVALID_ARGUMENT' },
          message,
        })
    })
})
