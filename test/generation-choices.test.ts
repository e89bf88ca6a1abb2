// Several texts of one prompt: each has random numbers of its own, and the prompt runs once.
import { strict as assert } from 'node:assert'
import { type GenerateOptions, loadModel, type Model } from '../src/index.ts'
import { defaultModel } from './tiny-model.ts'

describe('n texts of a prompt', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())
  const options = { maxTokens: 12, temperature: 1, seed: 7, stopIds: [] }
  const long = 'The mill by the river was old, and nobody knew who had built it.'

  for (const [name, prompts] of Object.entries({
    'short prompts': ['one', 'two'],
    'long prompts': [long, 'x', `${long} It stood`],
  }))
    it(`${name}: the first is that of n = 1, and each is the text of its own seed`, async () => {
      const results = await model.generate(prompts, { ...options, n: 4 })
      const alone = await model.generate(prompts, options)
      for (const [i, { choices, ...first }] of results.entries()) {
        assert.deepEqual(first, alone[i])
        const { truncatedTokens: _, ...text } = first
        assert.deepEqual(choices![0], text)
        assert.equal(new Set(choices!.map(({ tokens }) => tokens.join())).size, 4)
        for (const choice of choices!) {
          const same = await model.generate(prompts, { ...options, seed: choice.seed! })
          assert.deepEqual(same[i]!.tokens, choice.tokens)
          assert.deepEqual(same[i]!.logProbs, choice.logProbs)
        }
      }
      assert.equal(results[0]!.choices![1]!.seed, results[1]!.choices![1]!.seed)
    })

  it('run a prompt once, even where texts end with their first token or find no place at once', async () => {
    const prompt = [...Buffer.from(long)]
    const run = async (own: Partial<GenerateOptions>) => {
      let tokens = 0
      const onProgress = ({ tokensDone }: { tokensDone: number }) => (tokens = tokensDone)
      const [result] = await model.generate([prompt], { ...options, ...own, onProgress })
      return { tokens, choices: result!.choices! }
    }
    assert.equal((await run({ n: 5 })).tokens, prompt.length + 11 + 4 * 12)
    assert.equal((await run({ n: 5, maxTokens: 1 })).tokens, prompt.length + 4)
    const many = await run({ n: 128 })
    assert.ok(many.tokens <= 3 * prompt.length + 128 * 12, `${many.tokens}`)
    assert.deepEqual(many.choices.slice(0, 5), (await run({ n: 5 })).choices)
  })

  it('report progress by prompts, and leave in their order', async () => {
    const done: number[] = []
    const onProgress = ({ promptsDone }: { promptsDone: number }) => done.push(promptsDone)
    let seen = 0
    for await (const { choices } of model.generateEach(['a', long, 'c'], { ...options, n: 3, onProgress })) {
      assert.equal(choices!.length, 3)
      seen++
    }
    assert.equal(seen, 3)
    assert.equal(done.at(-1), 3)
    assert.ok(done.every((count, i) => i === 0 || count >= done[i - 1]!))
  })

  it('have stops, penalties and alternatives each of their own', async () => {
    const own = { ...options, maxTokens: 30, frequencyPenalty: 0.5, topLogProbs: 2 }
    const { choices } = await model.generate(long, { ...own, n: 3 })
    const stop = choices![1]!.text.slice(3, 5)
    const stopped = await model.generate(long, { ...own, n: 3, stop })
    assert.equal(stopped.choices![1]!.finishReason, 'stop')
    for (const [i, { text, topAlternatives, tokens }] of stopped.choices!.entries()) {
      assert.ok(choices![i]!.text.startsWith(text))
      assert.equal(topAlternatives!.length, tokens.length)
    }
  })

  it('are none where a prompt is skipped', async () => {
    const tooLong = Array.from({ length: 2100 }, () => 1)
    const results = await model.generate([tooLong, [5]], { ...options, n: 2, tooLong: 'skip' })
    assert.deepEqual(
      results.map(({ finishReason, choices }) => [finishReason, choices?.length]),
      [
        ['skipped', undefined],
        ['length', 2],
      ],
    )
  })

  it('are refused where they would all be the same, or are streamed', async () => {
    await assert.rejects(model.generate('a', { n: 2 }), {
      code: 'INVALID_ARGUMENT',
      message: 'n is 2; expected a temperature above 0 with it: greedy texts of a prompt are all the same',
    })
    await assert.rejects(model.generate('a', { ...options, n: 129 }), {
      code: 'INVALID_ARGUMENT',
      message: 'n is 129; expected an integer from 1 to 128',
    })
    assert.throws(() => model.generateStream('a', { ...options, n: 2 }), {
      code: 'INVALID_ARGUMENT',
      message: 'n is 2; expected 1 where the text is streamed',
    })
  })
})
