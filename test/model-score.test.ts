// Model.score(), perplexity() and logits(): BOS, limits, alternatives, and what each error says.
import { strict as assert } from 'node:assert'
import { loadModel, type Model, type ScoreOptions, type ScoreRequest } from '../src/index.ts'
import { randomNumbers } from './attention-oracle.ts'
import { defaultModel, withTinyModel } from './tiny-model.ts'

const bos = 256
const bytes = (text: string) => [...Buffer.from(text)]

describe('Model.score()', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())

  async function one(
    prompt: ScoreRequest['prompt'],
    continuation: string | number[],
    options: ScoreOptions = {},
  ) {
    const [result] = await model.score([{ prompt, continuations: [continuation] }], options)
    return { ...result!, score: result!.continuations[0]! }
  }

  it('sums the log-probabilities that the logits give', async () => {
    const ids = [bos, ...bytes('hello there')]
    const { score } = await one(ids.slice(0, 4), ids.slice(4))
    const logits = await model.logits(ids)
    const { vocabSize } = model.info
    const expected = ids.slice(4).map((token, i) => {
      const row = logits.subarray((i + 3) * vocabSize, (i + 4) * vocabSize)
      return row[token]! - Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0))
    })
    for (const [i, logProb] of score.tokenLogProbs.entries())
      assert.ok(Math.abs(logProb - expected[i]!) < 1e-5)
    assert.ok(Math.abs(score.logLikelihood - expected.reduce((a, b) => a + b, 0)) < 1e-5)
    assert.deepEqual(score.tokens, ids.slice(4))
  })

  it('gives plain arrays, which JSON keeps', async () => {
    const [result] = await model.score([{ prompt: 'a', continuations: [' b', ' cd'] }], { topK: 2 })
    assert.deepEqual(JSON.parse(JSON.stringify(result)), result)
    assert.equal(JSON.stringify(result).match(/"tokenLogProbs":\[-/g)!.length, 2)
  })

  it('gives the best k, best first, and knows what is greedy', async () => {
    const [generated] = await model.generate([[bos, 104]], { maxTokens: 3, stopIds: [] })
    const { score } = await one([bos, 104], generated!.tokens, { topK: 4 })
    assert.equal(score.isGreedy, true)
    assert.equal(score.topAlternatives!.length, 3)
    for (const [i, alternatives] of score.topAlternatives!.entries()) {
      assert.equal(alternatives.length, 4)
      assert.deepEqual(alternatives[0], { token: generated!.tokens[i], logProb: score.tokenLogProbs[i] })
      assert.deepEqual(
        alternatives,
        alternatives.toSorted((a, b) => b.logProb - a.logProb),
      )
    }
    const other = (generated!.tokens[0]! + 1) % 256
    assert.equal((await one([bos, 104], [other])).score.isGreedy, false)
    assert.equal('topAlternatives' in (await one('a', 'b')).score, false)
  })

  it('calls with other topK share a pack and get their own', async () => {
    const request = [{ prompt: 'abc', continuations: ['d', 'e'] }]
    const results = await Promise.all([0, 3, 1].map(topK => model.score(request, { topK })))
    assert.deepEqual(
      results.map(([result]) => result!.continuations[0]!.topAlternatives?.[0]?.length),
      [undefined, 3, 1],
    )
    assert.deepEqual(
      results[2]![0]!.continuations[1]!.topAlternatives![0]![0],
      results[1]![0]!.continuations[1]!.topAlternatives![0]![0],
    )
  })

  it('puts BOS before a text as the tokenizer does, before ids only if asked, and never twice', async () => {
    const asText = (await one('hello', ' you')).score.logLikelihood
    const withBos = (await one([bos, ...bytes('hello')], bytes(' you'))).score.logLikelihood
    const without = (await one(bytes('hello'), bytes(' you'))).score.logLikelihood
    assert.notEqual(withBos, without)
    assert.equal(model.info.addBos, true)
    assert.equal(asText, withBos)
    assert.equal((await one('hello', ' you', { addBos: false })).score.logLikelihood, without)
    assert.equal((await one(bytes('hello'), bytes(' you'), { addBos: true })).score.logLikelihood, withBos)
    assert.equal((await one([bos, ...bytes('hello')], ' you', { addBos: true })).score.logLikelihood, withBos)
  })

  it('scores an empty prompt after BOS, and after EOS where there is no BOS', async () => {
    const after = (await one([bos], bytes('you'))).score.logLikelihood
    assert.equal((await one('', 'you')).score.logLikelihood, after)
    assert.equal((await one([], bytes('you'), { addBos: false })).score.logLikelihood, after)
    await withTinyModel({ config: { bos_token_id: null, eos_token_id: 7 } }, async tiny => {
      const [empty, afterEos] = await tiny.score([
        { prompt: [], continuations: [[1, 2]] },
        { prompt: [7], continuations: [[1, 2]] },
      ])
      assert.equal(empty!.continuations[0]!.logLikelihood, afterEos!.continuations[0]!.logLikelihood)
    })
  })

  it('scores a text that begins with BOS after that one, not after a second', async () => {
    const { logLikelihood } = (await one([bos], bytes('you'))).score
    for (const boundary of ['joint', 'harness', 'separate'] as const) {
      const { score } = await one('', [bos, ...bytes('you')], { boundary })
      assert.deepEqual([score.logLikelihood, score.tokens], [logLikelihood, bytes('you')])
    }
    await assert.rejects(one([], [bos]), {
      code: 'INVALID_ARGUMENT',
      message: /^request 0, continuation 0 is token 256 alone, which an empty prompt is scored after/,
    })
    const begun = await model.perplexity([bos, ...bytes('you')])
    assert.deepEqual(begun.logLikelihood, (await model.perplexity(bytes('you'))).logLikelihood)
    await assert.rejects(model.perplexity([bos]), { code: 'INVALID_ARGUMENT', message: /nothing to score/ })
  })

  it('takes no BOS from config.json where the tokenizer has none', async () => {
    const files = {
      'tokenizer.json': {
        added_tokens: [{ id: 7, content: '<e>', special: true }],
        decoder: { type: 'Sequence', decoders: [{ type: 'Fuse' }] },
        model: { type: 'BPE', vocab: { a: 3, b: 4 }, merges: [] },
      },
      'tokenizer_config.json': { bos_token: null, eos_token: '<e>' },
    }
    await withTinyModel({ config: { bos_token_id: 1 }, files }, async tiny => {
      assert.equal(tiny.info.bosTokenId, undefined)
      const [empty, afterEos] = await tiny.score([
        { prompt: '', continuations: ['ab', '<e>ab'] },
        { prompt: [7], continuations: [[3, 4]] },
      ])
      const { logLikelihood } = afterEos!.continuations[0]!
      for (const score of empty!.continuations) assert.equal(score.logLikelihood, logLikelihood)
      assert.equal((await tiny.perplexity('ab')).logLikelihood, logLikelihood)
    })
  })

  it('cuts long prompts by the policy and counts what it cut', async () => {
    const random = randomNumbers(3)
    const long = Array.from({ length: 3000 }, () => Math.floor(random() * 256))
    const end = [1, 2, 3]
    // There are 2,048 positions, and the last token needs none: 2,046 tokens of prompt fit before three more.
    const left = await one([bos, ...long], end, { tooLong: 'truncate-left' })
    assert.equal(left.truncatedTokens, 3001 - 2046)
    assert.equal(left.score.logLikelihood, (await one([bos, ...long.slice(-2045)], end)).score.logLikelihood)
    const right = await one([bos, ...long], end, { tooLong: 'truncate-right' })
    assert.equal(right.truncatedTokens, 3001 - 2046)
    assert.equal(
      right.score.logLikelihood,
      (await one([bos, ...long.slice(0, 2045)], end)).score.logLikelihood,
    )
    const [skipped, kept] = await model.score(
      [
        { prompt: long, continuations: [end, [1]] },
        { prompt: [1], continuations: [end] },
      ],
      { tooLong: 'skip' },
    )
    assert.deepEqual(skipped, { continuations: [], truncatedTokens: 0, skipped: true })
    assert.equal(kept!.skipped, false)
    assert.equal((await one(long.slice(0, 2046), end)).truncatedTokens, 0)
  })

  const long = Array.from({ length: 3000 }, () => 5)
  const errors: {
    name: string
    requests: ScoreRequest[]
    options?: ScoreOptions
    code: string
    message: RegExp
  }[] = [
    {
      name: 'an id that is too large',
      requests: [
        { prompt: [1, 2], continuations: [[3]] },
        { prompt: [1], continuations: [[4], [5, 258]] },
      ],
      code: 'TOKEN_OUT_OF_RANGE',
      message: /^request 1, continuation 1: token 1 is 258; ids of this model are 0 to 257/,
    },
    {
      name: 'a negative id in a prompt',
      requests: [{ prompt: [1, 2, -1], continuations: [[3]] }],
      code: 'TOKEN_OUT_OF_RANGE',
      message: /^request 0, prompt: token 2 is -1;/,
    },
    {
      name: 'an id that is no integer',
      requests: [{ prompt: [1], continuations: [[Number.NaN]] }],
      code: 'TOKEN_OUT_OF_RANGE',
      message: /token 0 is NaN/,
    },
    {
      name: 'an empty continuation',
      requests: [{ prompt: 'a', continuations: ['b', ''] }],
      code: 'INVALID_ARGUMENT',
      message: /^request 0, continuation 1 is empty; there is nothing to score/,
    },
    {
      name: 'no continuations',
      requests: [{ prompt: 'a', continuations: [] }],
      code: 'INVALID_ARGUMENT',
      message: /^request 0: "continuations" is \[\]; expected an array of at least one/,
    },
    {
      name: 'a prompt that is missing',
      requests: [{ continuations: ['a'] } as unknown as ScoreRequest],
      code: 'INVALID_ARGUMENT',
      message: /^request 0, prompt is undefined; expected a text or an array of token ids/,
    },
    {
      name: 'a prompt and continuation that are too long',
      requests: [{ prompt: long, continuations: [[1, 2]] }],
      code: 'CONTEXT_LENGTH',
      message:
        /^request 0, continuation 0: 3000 prompt tokens and 2 scored ones; the context has 2048 positions .* 'truncate-left'/,
    },
    {
      name: 'a continuation that is too long for any truncation',
      requests: [{ prompt: [1], continuations: [long] }],
      options: { tooLong: 'truncate-left' },
      code: 'CONTEXT_LENGTH',
      message: /1 prompt tokens and 3000 scored ones/,
    },
    {
      name: 'a request that is none',
      requests: [null as unknown as ScoreRequest],
      code: 'INVALID_ARGUMENT',
      message: /^request 0 is null; expected { prompt, continuations }$/,
    },
    {
      name: 'a request by itself',
      requests: { prompt: 'a', continuations: ['b'] } as unknown as ScoreRequest[],
      code: 'INVALID_ARGUMENT',
      message:
        /^requests is {"prompt":"a","continuations":\["b"\]}; expected an array or an \(async\) iterable of requests$/,
    },
    {
      name: 'an unknown policy',
      requests: [],
      options: { tooLong: 'cut' as 'skip' },
      code: 'INVALID_ARGUMENT',
      message: /^tooLong is "cut"; expected one of 'error', 'truncate-left'/,
    },
    {
      name: 'an unknown boundary',
      requests: [],
      options: { boundary: 'none' as 'joint' },
      code: 'INVALID_ARGUMENT',
      message: /^boundary is "none"; expected one of 'joint', 'harness', 'separate'/,
    },
    {
      name: 'a topK beyond the vocabulary',
      requests: [],
      options: { topK: 259 },
      code: 'INVALID_ARGUMENT',
      message: /^topK is 259; expected an integer from 0 to 258/,
    },
  ]
  for (const { name, requests, options, code, message } of errors)
    it(`refuses ${name}`, () =>
      assert.rejects(model.score(requests, options), { name: 'MtLlamaError', code, message }))

  it('refuses texts without a tokenizer, and an empty prompt without BOS and EOS', async () => {
    await withTinyModel({ config: { bos_token_id: null, eos_token_id: null } }, async tiny => {
      assert.equal(tiny.tokenizer, undefined)
      await assert.rejects(tiny.score([{ prompt: 'a', continuations: [[1]] }]), {
        code: 'TOKENIZER',
        message:
          /^request 0, continuation 0, prompt is a text, but the checkpoint has no tokenizer; give token ids/,
      })
      await assert.rejects(tiny.score([{ prompt: [], continuations: [[1]] }]), {
        code: 'INVALID_ARGUMENT',
        message: /^request 0, continuation 0: the prompt is empty and the model has neither BOS nor EOS/,
      })
      await assert.rejects(tiny.score([{ prompt: [1], continuations: [[1]] }], { addBos: true }), {
        code: 'INVALID_ARGUMENT',
        message: /^addBos is true, but neither the tokenizer nor config.json names a BOS token/,
      })
      const [scored] = await tiny.score([{ prompt: Int32Array.of(1, 2), continuations: [[3, 4]] }])
      assert.ok(scored!.continuations[0]!.logLikelihood < 0)
    })
  })

  it('rejects with ABORTED mid-run, and other calls go on', async () => {
    const requests = Array.from({ length: 400 }, (_, i) => ({
      prompt: `prompt number ${i}`,
      continuations: [' yes'],
    }))
    const abort = new AbortController()
    const aborted = model.score(requests, { signal: abort.signal, onProgress: () => abort.abort() })
    const other = model.score(requests)
    await assert.rejects(aborted, { code: 'ABORTED', message: /aborted by its signal/ })
    assert.equal((await other).length, 400)
  })

  it('rejects with DISPOSED after and during dispose()', async () => {
    const own = await loadModel(defaultModel)
    const requests = Array.from({ length: 400 }, (_, i) => ({
      prompt: `prompt number ${i}`,
      continuations: [' yes'],
    }))
    const running = own.score(requests)
    const refused = assert.rejects(running, {
      code: 'DISPOSED',
      message: /the model was disposed; load it again/,
    })
    await own.dispose()
    await own.dispose()
    await refused
    await assert.rejects(own.score(requests), { code: 'DISPOSED' })
    await assert.rejects(own.logits([1]), { code: 'DISPOSED' })
    await assert.rejects(own.generate(['a']), { code: 'DISPOSED' })
  })
})

describe('Model.perplexity()', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())

  const ids = Array.from({ length: 23 }, (_, i) => (i * 37) % 256)

  async function logLikelihood(context: number[], scored: number[]): Promise<number> {
    const [result] = await model.score([{ prompt: context, continuations: [scored] }])
    return result!.continuations[0]!.logLikelihood
  }

  it('scores disjoint windows, each after one token', async () => {
    const { logLikelihood: own, tokens, perplexity } = await model.perplexity(ids, { window: 10 })
    const parts = [
      await logLikelihood([bos], ids.slice(0, 10)),
      await logLikelihood([ids[9]!], ids.slice(10, 20)),
      await logLikelihood([ids[19]!], ids.slice(20)),
    ]
    assert.equal(
      own,
      parts.reduce((a, b) => a + b, 0),
    )
    assert.equal(tokens, 23)
    assert.equal(perplexity, Math.exp(-own / 23))
  })

  it('keeps context where the stride is less than the window', async () => {
    const { logLikelihood: own } = await model.perplexity(ids, { window: 10, stride: 8 })
    const parts = [
      await logLikelihood([bos], ids.slice(0, 10)),
      await logLikelihood(ids.slice(7, 10), ids.slice(10, 18)),
      await logLikelihood(ids.slice(15, 18), ids.slice(18)),
    ]
    assert.equal(
      own,
      parts.reduce((a, b) => a + b, 0),
    )
  })

  it('counts words and bytes of a text', async () => {
    const result = await model.perplexity('one two\u00a0three')
    assert.equal(result.tokens, 14)
    assert.equal(result.wordPerplexity, Math.exp(-result.logLikelihood / 3))
    assert.equal(result.bytePerplexity, Math.exp(-result.logLikelihood / 14))
    assert.equal((await model.perplexity([1, 2])).wordPerplexity, undefined)
  })

  it('refuses an empty text and windows beyond the context', async () => {
    await assert.rejects(model.perplexity(''), { code: 'INVALID_ARGUMENT', message: /^the text is empty/ })
    await assert.rejects(model.perplexity('a', { window: 2049 }), {
      code: 'INVALID_ARGUMENT',
      message: /^window is 2049; expected an integer from 1 to 2048/,
    })
    await assert.rejects(model.perplexity('a', { window: 8, stride: 9 }), {
      message: /^stride is 9; expected an integer from 1 to 8/,
    })
  })
})

describe('Model.logits()', () => {
  it('refuses ids out of range and too many', async () => {
    await using model = await loadModel(defaultModel)
    await assert.rejects(model.logits([1, 999]), {
      code: 'TOKEN_OUT_OF_RANGE',
      message: /^the sequence: token 1 is 999; ids of this model are 0 to 257/,
    })
    await assert.rejects(model.logits(new Int32Array(2049)), {
      code: 'CONTEXT_LENGTH',
      message: /2049.*2048/,
    })
    await assert.rejects(model.logits([]), { code: 'INVALID_ARGUMENT' })
    await assert.rejects(model.logits([1], { signal: AbortSignal.abort() }), { code: 'ABORTED' })
  })
})
