// Calls that give what there is when their signal fires.
import { strict as assert } from 'node:assert'
import { type GenerateOptions, type GenerateResult, loadModel, type Model } from '../src/index.ts'
import { defaultModel } from './tiny-model.ts'
import { waitingSource } from './waiting-source.ts'

describe('partialOnAbort', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())
  const long = { maxTokens: 1500, stopIds: [], partialOnAbort: true }
  const messages = [{ role: 'user', content: 'What is a mill?' }]

  /** Options whose signal fires after so many steps. */
  const abortedAfter = (steps: number) => {
    const abort = new AbortController()
    let left = steps
    const onProgress = () => {
      if (--left === 0) abort.abort()
    }
    return { ...long, signal: abort.signal, onProgress }
  }
  /** Checks that the result is the beginning of the text that comes without the signal. */
  const isBeginning = (result: GenerateResult, whole: GenerateResult) => {
    const count = result.tokens.length
    assert.equal(result.finishReason, 'aborted')
    assert.ok(count >= 4 && count < whole.tokens.length, `${count} tokens`)
    assert.deepEqual(result.tokens, whole.tokens.slice(0, count))
    assert.deepEqual(result.logProbs, whole.logProbs.slice(0, count))
    assert.ok(result.text !== '')
  }
  const whole = { maxTokens: 60, stopIds: [] }

  it('generate() resolves with the texts so far, and other calls go on', async () => {
    const [expected, other] = await Promise.all([
      model.generate(['one', 'two'], whole),
      model.generate('three', whole),
    ])
    const [results, beside] = await Promise.all([
      model.generate(['one', 'two'], abortedAfter(5)),
      model.generate('three', whole),
    ])
    for (const [i, result] of results.entries()) isBeginning(result, expected[i]!)
    assert.deepEqual(beside, other)
  })

  it('chat() does so, and the conversation goes on from there', async () => {
    const template = 'release'
    const answer = await model.chat(messages, { ...abortedAfter(6), template })
    isBeginning(answer, await model.chat(messages, { ...whole, template }))
    const next = [...messages, { role: 'assistant', content: answer.text }, { role: 'user', content: 'Why?' }]
    const options = { maxTokens: 5, template } as const
    await using fresh = await loadModel(defaultModel, { dtype: 'float32' })
    assert.deepEqual(await model.chat(next, options), await fresh.chat(next, options))
  })

  for (const [name, stream] of Object.entries({
    'generateStream()': (options: GenerateOptions) => model.generateStream('one', options),
    'chatStream()': (options: GenerateOptions) =>
      model.chatStream(messages, { ...options, template: 'release' }),
  }))
    it(`${name} ends with the result, whose text its pieces make up`, async () => {
      // Most of the text is held back, for it may be the beginning of this.
      const stop = ['\ufffd'.repeat(1000)]
      const pieces: string[] = []
      const running = stream({ ...abortedAfter(8), stop })
      let step = await running.next()
      for (; !step.done; step = await running.next()) pieces.push(step.value)
      assert.equal(step.value.finishReason, 'aborted')
      assert.equal(step.value.tokens.length, 8)
      assert.equal(pieces.join(''), step.value.text)
    })

  it('gives a result for each prompt of an array, begun or not', async () => {
    const prompts = Array.from({ length: 700 }, (_, i) => [i % 258])
    const results = await model.generate(prompts, abortedAfter(5))
    assert.equal(results.length, 700)
    assert.ok(results.every(({ finishReason }) => finishReason === 'aborted'))
    const begun = results.filter(({ tokens }) => tokens.length > 0)
    assert.ok(begun.length >= 64 && begun.length < 200, `${begun.length}`)
    assert.deepEqual(results.at(-1), {
      ...{ text: '', tokens: [], finishReason: 'aborted', logProbs: [], truncatedTokens: 0 },
    })
  })

  it('gives texts that had ended as they are, and each of several of a prompt', async () => {
    const options = { ...abortedAfter(20), temperature: 1, seed: 3, n: 3, topLogProbs: 1 }
    const free = { ...whole, temperature: 1, seed: 3, n: 3, topLogProbs: 1 }
    const { choices } = await model.generate('one', free)
    const [a, b, c] = choices!.map(({ tokens }) => tokens)
    const stopIds = [b!.slice(3, 15).find(token => !a!.includes(token) && !c!.includes(token))!]
    const result = await model.generate('one', { ...options, stopIds })
    const stopped = await model.generate('one', { ...free, stopIds })
    assert.deepEqual(result.choices![1], stopped.choices![1])
    assert.deepEqual(
      result.choices!.map(({ finishReason }) => finishReason),
      ['aborted', 'stop', 'aborted'],
    )
    for (const { tokens, topAlternatives } of result.choices!)
      assert.equal(topAlternatives!.length, tokens.length)
  })

  it('of a source that gives no more, gives what was read, and closes it', async () => {
    const { source, closed } = waitingSource('one')
    const results = await model.generate(source, abortedAfter(5))
    assert.equal(results.length, 1)
    assert.equal(results[0]!.finishReason, 'aborted')
    assert.equal(closed(), true)
  })

  it('of a source that has ended, gives what was read', async () => {
    async function* source() {
      yield* ['one', 'two']
    }
    const results = await model.generate(source(), abortedAfter(5))
    assert.deepEqual(
      results.map(({ finishReason, tokens }) => [finishReason, tokens.length >= 4]),
      [
        ['aborted', true],
        ['aborted', true],
      ],
    )
  })

  it('of a signal that has fired already, begins nothing', async () => {
    const signal = AbortSignal.abort()
    const result = await model.generate('one', { ...long, signal })
    assert.deepEqual([result.text, result.tokens, result.finishReason], ['', [], 'aborted'])
    const { source } = waitingSource('one')
    assert.deepEqual(await model.generate(source, { ...long, signal }), [])
    const stream = model.generateStream('one', { ...long, signal })
    assert.equal(((await stream.next()).value as GenerateResult).finishReason, 'aborted')
  })

  it('rejects still where the model is disposed', async () => {
    const own = await loadModel(defaultModel)
    const onProgress = () => void own.dispose()
    await assert.rejects(own.generate('one', { ...long, onProgress }), { code: 'DISPOSED' })
  })
})
