// Runs a model whose values overflow: what scoring, perplexity, logits and generation make of NaN.
import { strict as assert } from 'node:assert'
import type { GenerateOptions, Model } from '../src/index.ts'
import { randomTinyTensors, withTinyModel } from './tiny-model.ts'

/** Weights that are finite, though what the norms scale is not. */
const tensors = randomTinyTensors((name, values) => {
  if (name.includes('norm')) values.fill(1e38)
})
const config = { bos_token_id: 1, eos_token_id: 0 }
const broken = (device: 'cpu' | 'reference', body: (model: Model) => Promise<unknown>) =>
  withTinyModel({ config, tensors, options: { device, dtype: 'float32' } }, body)

for (const device of ['cpu', 'reference'] as const)
  describe(`a model that gives NaN, on ${device}`, () => {
    it('scores NaN, which no token is greedy under, and alternatives are ids of the model', () =>
      broken(device, async model => {
        const { vocabSize } = model.info
        const continuations = Array.from({ length: vocabSize }, (_, id) => [id])
        const [result] = await model.score([{ prompt: [2], continuations }], { topK: 3 })
        for (const { logLikelihood, tokenLogProbs, isGreedy, topAlternatives } of result!.continuations) {
          assert.deepEqual([logLikelihood, tokenLogProbs[0], isGreedy], [Number.NaN, Number.NaN, false])
          for (const { token } of topAlternatives![0]!) assert.ok(token >= 0 && token < vocabSize, `${token}`)
        }
      }))

    it('has a perplexity of NaN, and logits that say why', () =>
      broken(device, async model => {
        const { logLikelihood, perplexity } = await model.perplexity([2, 3, 4])
        assert.deepEqual([logLikelihood, perplexity], [Number.NaN, Number.NaN])
        assert.ok((await model.logits([2])).some(logit => !Number.isFinite(logit)))
      }))

    const settings: [string, GenerateOptions][] = [
      ['greedy', {}],
      ['sampled', { temperature: 1, topK: 5, topP: 0.9 }],
    ]
    for (const [name, options] of settings)
      it(`generates nothing in silence, ${name}`, () =>
        broken(device, async model => {
          const error = {
            ...{ name: 'MtLlamaError', code: 'SCORE_NOT_FINITE' },
            message:
              /^prompt 0, new token 0: its log-probability is (NaN|-?Infinity), so no token is the best\. Most likely the checkpoint is broken, or set allowNan$/,
          }
          const prompts = [[2], [3]]
          await assert.rejects(model.generate(prompts, options), error)
          await assert.rejects(model.generateEach(prompts, options).next(), error)
          await assert.rejects(model.generateStream([2], options).next(), error)
          const allowed = await model.generate(prompts, { ...options, maxTokens: 4, allowNan: true })
          for (const { tokens, logProbs } of allowed) {
            assert.equal(tokens.length, 4)
            assert.ok(logProbs.every(logProb => !Number.isFinite(logProb)))
          }
        }))
  })
