// Penalties and biases of logits: what is chosen is the best token by their formulas over the logits of the whole vocabulary.
import { strict as assert } from 'node:assert'
import { Adjustments, joinAdjustments } from '../src/generation/adjustments.ts'
import { type GenerateOptions, loadModel, type Model } from '../src/index.ts'
import { defaultModel } from './tiny-model.ts'

const off = { repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, logitBias: new Map() }

describe('Adjustments', () => {
  const listed = (adjustments: Adjustments) => {
    const { ids, penalties, addends } = adjustments.values
    return [...ids].map((id, i) => [id, penalties[i], addends[i]])
  }

  it('are those of the prompt, of new tokens and of biases, by ascending ids', () => {
    const logitBias = new Map([
      [9, -100],
      [4, 2],
    ])
    const settings = { repetitionPenalty: 1.5, presencePenalty: 1, frequencyPenalty: 0.25, logitBias }
    const adjustments = new Adjustments(settings, Int32Array.of(7, 4, 7))
    assert.deepEqual(listed(adjustments), [
      [4, 1.5, 2],
      [7, 1.5, 0],
      [9, 1, -100],
    ])
    for (const id of [7, 1, 7, 9]) adjustments.push(id)
    assert.deepEqual(listed(adjustments), [
      [1, 1.5, -1.25],
      [4, 1.5, 2],
      [7, 1.5, -1.5],
      [9, 1.5, -101.25],
    ])
  })

  it('grow with as many tokens as come', () => {
    const adjustments = new Adjustments({ ...off, presencePenalty: 0.5 }, Int32Array.of(3))
    for (let i = 0; i < 100; i++) adjustments.push((i * 37) % 101)
    const ids = Array.from({ length: 100 }, (_, i) => (i * 37) % 101).sort((a, b) => a - b)
    assert.deepEqual(
      listed(adjustments),
      ids.map(id => [id, 1, -0.5]),
    )
  })

  it('of several texts lie one after another', () => {
    const biased = (...ids: number[]) =>
      new Adjustments({ ...off, logitBias: new Map(ids.map(id => [id, id])) }, Int32Array.of(1))
    assert.equal(joinAdjustments([undefined, undefined]), undefined)
    assert.deepEqual(joinAdjustments([biased(5, 2), undefined, biased(3)]), {
      offsets: Int32Array.of(0, 2, 2, 3),
      ids: Int32Array.of(2, 5, 3),
      penalties: Float32Array.of(1, 1, 1),
      addends: Float32Array.of(2, 5, 3),
    })
  })
})

describe('penalties and logitBias', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())
  const prompt = [84, 104, 101, 32, 109, 105, 108, 108, 32, 105, 115]

  /** Logits after the prompt and the new tokens, changed by the formulas of Keskar et al. (2019) and of OpenAI's API. */
  const penalized = async (tokens: readonly number[], options: GenerateOptions) => {
    const { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0, logitBias = {} } = options
    const { vocabSize } = model.info
    const logits = (await model.logits([...prompt, ...tokens])).slice(-vocabSize)
    for (const id of new Set([...prompt, ...tokens]))
      logits[id] = logits[id]! < 0 ? logits[id]! * repetitionPenalty : logits[id]! / repetitionPenalty
    for (const id of tokens) logits[id]! -= frequencyPenalty
    for (const id of new Set(tokens)) logits[id]! -= presencePenalty
    for (const [id, bias] of logitBias instanceof Map ? logitBias : Object.entries(logitBias))
      logits[Number(id)]! += bias
    return logits
  }
  const best = (logits: Float32Array) => logits.indexOf(Math.max(...logits))

  const cases: Record<string, GenerateOptions> = {
    'a repetition penalty': { repetitionPenalty: 1.3 },
    'a penalty that favours repetitions': { repetitionPenalty: 0.8 },
    'a presence penalty': { presencePenalty: 1.5 },
    'a frequency penalty': { frequencyPenalty: 0.6 },
    'a frequency penalty below 0': { frequencyPenalty: -0.5 },
    'a bias of some tokens': { logitBias: { 115: -100, 245: 1.5 } },
    'a Map of biases that bans': {
      logitBias: new Map([
        [115, Number.NEGATIVE_INFINITY],
        [245, -3],
      ]),
    },
    'all of them': {
      ...{ repetitionPenalty: 1.1, presencePenalty: 0.5, frequencyPenalty: 0.3 },
      logitBias: { 245: 2, 97: -1 },
    },
  }
  for (const [name, options] of Object.entries(cases))
    it(`${name}: the best token of the changed logits comes, with its own log-probability`, async () => {
      const limits = { maxTokens: 24, stopIds: [] }
      const [plain] = await model.generate([prompt], limits)
      const [result] = await model.generate([prompt], { ...limits, ...options })
      assert.notDeepEqual(result!.tokens, plain!.tokens, 'it changes the text')
      for (const [i, token] of result!.tokens.entries())
        assert.equal(token, best(await penalized(result!.tokens.slice(0, i), options)), `token ${i}`)
      const [scored] = await model.score([{ prompt, continuations: [result!.tokens] }])
      const { tokenLogProbs } = scored!.continuations[0]!
      for (const [i, logProb] of result!.logProbs.entries())
        assert.ok(
          Math.abs(logProb - tokenLogProbs[i]!) < 2e-6,
          `${i}: ${logProb}, scored ${tokenLogProbs[i]}`,
        )
      const [sampled] = await model.generate([prompt], { ...limits, ...options, temperature: 1.5, topK: 1 })
      assert.deepEqual(sampled!.tokens, result!.tokens, 'a sampling of the best alone')
    })

  it('a banned token never comes, and one with a bias of 100 always does', async () => {
    const hot = { maxTokens: 200, stopIds: [], temperature: 30, seed: 1 }
    const [free] = await model.generate([prompt], hot)
    const logitBias = Object.fromEntries(free!.tokens.slice(0, 100).map(id => [id, -Infinity]))
    const [banned] = await model.generate([prompt], { ...hot, logitBias })
    assert.ok(banned!.tokens.every(id => !(id in logitBias)))
    const [forced] = await model.generate([prompt], { ...hot, temperature: 1, logitBias: { 65: 100 } })
    assert.deepEqual(new Set(forced!.tokens), new Set([65]))
    assert.ok(forced!.logProbs[0]! < -1, "the log-probability is the model's own")
  })

  it('leave a text as it is where they are off, to the bit', async () => {
    const sampled = { maxTokens: 30, temperature: 1, seed: 3, stopIds: [] }
    const expected = await model.generate([prompt], sampled)
    assert.deepEqual(await model.generate([prompt], { ...sampled, ...off }), expected)
    // An addend of 0 changes nothing either, though it is looked at.
    assert.deepEqual(await model.generate([prompt], { ...sampled, logitBias: { 65: 0 } }), expected)
  })

  const errors: { logitBias: unknown; code: string; message: RegExp }[] = [
    { logitBias: 5, code: 'INVALID_ARGUMENT', message: /^logitBias is 5; expected a Map or an object/ },
    {
      logitBias: [1, 2],
      code: 'INVALID_ARGUMENT',
      message: /^logitBias is \[1,2\]; expected a Map or an object of numbers, by token ids$/,
    },
    {
      logitBias: { 258: 1 },
      code: 'TOKEN_OUT_OF_RANGE',
      message: /^logitBias has 258; expected token ids from 0 to 257$/,
    },
    {
      logitBias: { the: 1 },
      code: 'TOKEN_OUT_OF_RANGE',
      message: /^logitBias has "the"; expected token ids/,
    },
    { logitBias: new Map([[-1, 1]]), code: 'TOKEN_OUT_OF_RANGE', message: /^logitBias has -1; / },
    {
      logitBias: { 7: 101 },
      code: 'INVALID_ARGUMENT',
      message: /^logitBias of token 7 is 101; expected a number from -100 to 100, or -Infinity$/,
    },
    { logitBias: { 7: Number.NaN }, code: 'INVALID_ARGUMENT', message: /^logitBias of token 7 is NaN; / },
    {
      logitBias: Object.fromEntries(Array.from({ length: 258 }, (_, id) => [id, -Infinity])),
      code: 'INVALID_ARGUMENT',
      message: /^logitBias bans all 258 tokens; expected it to leave one at least$/,
    },
  ]
  for (const { logitBias, code, message } of errors)
    it(`refuses ${message.source}`, () =>
      assert.rejects(model.generate('a', { logitBias } as GenerateOptions), { code, message }))
})
