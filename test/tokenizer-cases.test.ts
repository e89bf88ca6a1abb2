// Reads checkpoints whose tokens are easily read wrong, and compares with transformers, llama.cpp and lm-evaluation-harness.
import assert from 'node:assert/strict'
import { loadModel, type Model } from '../src/index.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

/** Loads the model of a case in float32. */
async function withCase(name: string, test: (model: Model) => Promise<void>): Promise<void> {
  const model = await loadModel(shared('cases', name), { dtype: 'float32' })
  try {
    await test(model)
  } finally {
    await model.dispose()
  }
}

function near(found: number, expected: number): void {
  assert.ok(Math.abs(found - expected) < 1e-3, `${found}, expected ${expected}`)
}

describe('checkpoints whose tokens are easily read wrong', () => {
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
  })

  const idRows: [name: string, text: string, ids: number[], eosTokenId: number][] = [
    ['gguf-spm-user-defined', '<|im_start|>user', [301, 270, 284, 282, 271, 276], 2],
    ['tokenizer-model-added-tokens', '<|im_start|>Hello<|im_end|>', [301, 270, 268, 277, 277, 273, 300], 300],
    ['add-prefix-space-false', 'Hello world', [268, 277, 277, 273, 267, 273, 276, 277, 280], 2],
    ['add-prefix-space-false-model', 'Hello world', [268, 277, 277, 273, 267, 273, 276, 277, 280], 2],
    ['tokenizer-json-config-tokens-additional', '<|im_start|>Hello<|im_end|>', [310, 268, 306, 311], 2],
    ['tokenizer-json-config-tokens-decoder', '<|im_start|>Hello<|im_end|>', [310, 268, 306, 311], 2],
    ['eos-only-in-config', 'Hello<|new_end|>', [268, 306, 310], 310],
  ]
  for (const [name, text, ids, eosTokenId] of idRows) {
    it(`${name}: encodes ${JSON.stringify(text)}`, () =>
      withCase(name, async ({ tokenizer }) => {
        assert.deepEqual(tokenizer?.encode(text), ids)
        assert.equal(tokenizer?.eosTokenId, eosTokenId)
      }))
  }

  it('gguf-llama-bpe-bos: puts BOS before a prompt', () =>
    withCase('gguf-llama-bpe-bos', async model => {
      assert.equal(model.tokenizer?.addBos, true)
      assert.deepEqual(model.tokenizer?.encode('Hello', { addSpecialTokens: true }), [314, 268, 306])
      const [result] = await model.score([{ prompt: 'Hello', continuations: [' Yes'] }])
      near(result!.continuations[0]!.logLikelihood, -9.2211)
    }))

  it('no-bos-token: takes nothing for BOS, in templates, after empty prompts and in perplexities', () =>
    withCase('no-bos-token', async model => {
      assert.equal(model.info.bosTokenId, undefined)
      const prompt = model.applyChatTemplate([{ role: 'user', content: 'Hello' }])
      assert.equal(prompt, '[user]Hello</s>')
      const [result] = await model.score([{ prompt: '', continuations: ['Hello'] }])
      near(result!.continuations[0]!.logLikelihood, -15.8598)
      near((await model.perplexity('Hello world')).logLikelihood, -33.6591)
    }))

  for (const boundary of ['harness', 'joint', 'separate'] as const) {
    it(`empty-prompt-double-bos: scores after one BOS, boundary ${boundary}`, () =>
      withCase('empty-prompt-double-bos', async model => {
        const requests = [{ prompt: '', continuations: ['<s>Hello', 'Hello', [1, 268, 306]] }]
        const [result] = await model.score(requests, { boundary })
        for (const { logLikelihood, tokens } of result!.continuations) {
          near(logLikelihood, -10.862)
          assert.deepEqual([...tokens], [268, 306])
        }
        await assert.rejects(model.score([{ prompt: '', continuations: ['<s>'] }], { boundary }), {
          code: 'INVALID_ARGUMENT',
          message: /token 1 alone, which an empty prompt is scored after/,
        })
      }))
  }

  it('empty-prompt-double-bos: a perplexity has one BOS too', () =>
    withCase('empty-prompt-double-bos', async model => {
      const [begun, plain] = [await model.perplexity('<s>Hello'), await model.perplexity('Hello')]
      assert.deepEqual([begun.logLikelihood, begun.tokens], [plain.logLikelihood, 2])
      near(plain.logLikelihood, -10.862)
    }))
})
