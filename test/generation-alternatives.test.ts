// Alternatives of new tokens: those that score() gives for the same text, whatever was chosen.
import { strict as assert } from 'node:assert'
import { type GenerateOptions, loadModel, type Model } from '../src/index.ts'
import { defaultModel } from './tiny-model.ts'

describe('topLogProbs', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())
  const limits = { maxTokens: 16, stopIds: [] }
  const prompts = ['one', 'the mill is'].map(text => [...Buffer.from(text)])

  const cases: Record<string, GenerateOptions> = {
    greedy: {},
    sampled: { temperature: 1.5, topP: 0.9, seed: 2 },
    'greedy with a penalty': { repetitionPenalty: 1.4 },
    'sampled with a ban': { temperature: 1, seed: 3, logitBias: { 115: Number.NEGATIVE_INFINITY } },
  }
  for (const [name, options] of Object.entries(cases))
    it(`${name}: has the bits of score(), and changes nothing else`, async () => {
      const plain = await model.generate(prompts, { ...limits, ...options })
      for (const topLogProbs of [1, 5]) {
        const results = await model.generate(prompts, { ...limits, ...options, topLogProbs })
        const scores = await model.score(
          results.map(({ tokens }, i) => ({ prompt: prompts[i]!, continuations: [tokens] })),
          { topK: topLogProbs },
        )
        for (const [i, { topAlternatives, ...rest }] of results.entries()) {
          assert.deepEqual(rest, plain[i])
          assert.deepEqual(topAlternatives, scores[i]!.continuations[0]!.topAlternatives)
          assert.equal(topAlternatives!.length, rest.tokens.length)
        }
        assert.deepEqual(JSON.parse(JSON.stringify(results)), results)
      }
    })

  it('of a greedy text begin with its tokens and their log-probabilities', async () => {
    const [result] = await model.generate(prompts.slice(0, 1), { ...limits, topLogProbs: 3 })
    const first = result!.topAlternatives!.map(alternatives => alternatives[0])
    assert.deepEqual(
      first,
      result!.tokens.map((token, i) => ({ token, logProb: result!.logProbs[i] })),
    )
  })

  it('of calls that overlap are those of each alone', async () => {
    const options = [
      { ...limits, topLogProbs: 2 },
      { ...limits, temperature: 1, seed: 4, topLogProbs: 258 },
      limits,
      { ...limits, presencePenalty: 1, topLogProbs: 1 },
    ]
    const alone = []
    for (const each of options) alone.push(await model.generate(prompts, each))
    assert.deepEqual(await Promise.all(options.map(each => model.generate(prompts, each))), alone)
    assert.equal(alone[1]![0]!.topAlternatives![0]!.length, 258)
    assert.ok(!('topAlternatives' in alone[2]![0]!))
  })

  it('refuses more than the vocabulary has', () =>
    assert.rejects(model.generate('a', { topLogProbs: 259 }), {
      code: 'INVALID_ARGUMENT',
      message: 'topLogProbs is 259; expected an integer from 0 to 258',
    }))
})
