// Model.embed(): vectors against the logits that follow from them, pooling, order, limits, and what each error says.
import { strict as assert } from 'node:assert'
import { type EmbedOptions, loadModel, type Model } from '../src/index.ts'
import { openModel } from '../src/model/load.ts'
import { defaultPlanner } from '../src/model/planner-options.ts'
import { randomNumbers } from './attention-oracle.ts'
import { defaultModel, randomTinyTensors, withTinyModel } from './tiny-model.ts'

const raw: EmbedOptions = { pooling: 'last', normalize: false }
const norm = (vector: readonly number[]) => Math.hypot(...vector)
const near = (own: readonly number[], want: readonly number[], tolerance = 1e-5) => {
  assert.equal(own.length, want.length)
  for (const [i, x] of want.entries())
    assert.ok(Math.abs(own[i]! - x) <= tolerance, `value ${i} is ${own[i]}, want ${x}`)
}

function randomTexts(count: number): number[][] {
  const random = randomNumbers(3)
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + Math.floor(random() * (random() < 0.1 ? 200 : 20)) }, () =>
      Math.floor(random() * 258),
    ),
  )
}

describe('Model.embed()', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())

  it('gives hidden states: the head makes logits of them', async () => {
    let head: Float32Array = new Float32Array()
    const tensors = randomTinyTensors((name, values) => {
      if (name === 'lm_head.weight') head = values
    })
    await withTinyModel({ tensors, options: { dtype: 'float32' } }, async tiny => {
      const ids = [3, 1, 4, 1, 5]
      const embedding = (await tiny.embed([ids], raw))[0]!.embedding
      const { hiddenSize, vocabSize } = tiny.info
      assert.equal(embedding.length, hiddenSize)
      const logits = Array.from({ length: vocabSize }, (_, token) =>
        embedding.reduce((sum, x, i) => sum + x * head[token * hiddenSize + i]!, 0),
      )
      near(logits, [...(await tiny.logits(ids)).subarray(-vocabSize)])
    })
  })

  it("'mean' is the mean over all tokens, each of which sees those before it", async () => {
    const ids = [256, ...Buffer.from('hello')]
    const beginnings = ids.map((_, i) => ids.slice(0, i + 1))
    const states = await model.embed(beginnings, raw)
    const mean = states[0]!.embedding.map(
      (_, c) => states.reduce((sum, { embedding }) => sum + embedding[c]!, 0) / ids.length,
    )
    const [own] = await model.embed([ids], { normalize: false })
    near(own!.embedding, mean)
    assert.equal(own!.tokens, ids.length)
  })

  it('scales vectors to length 1 by default', async () => {
    const [unit] = await model.embed(['hello'])
    const [plain] = await model.embed(['hello'], { normalize: false })
    near([norm(unit!.embedding)], [1])
    near(
      unit!.embedding,
      plain!.embedding.map(x => x / norm(plain!.embedding)),
    )
  })

  it('reads a text as score() does, and takes one text for itself', async () => {
    const ids = [256, ...Buffer.from('hello there')]
    const one = await model.embed('hello there')
    assert.deepEqual(await model.embed([ids]), [one])
    assert.deepEqual(JSON.parse(JSON.stringify(one)), one)
    const bare = await model.embed('hello there', { addBos: false })
    assert.notDeepEqual(bare.embedding, one.embedding)
    // An empty text has BOS to stand for it.
    assert.deepEqual(await model.embed([''], { addBos: false }), await model.embed([[256]]))
  })

  for (const dtype of ['float32', 'bfloat16'] as const)
    it(`gives the same bits in ${dtype} whatever the texts beside, their order, the packs and the threads`, async () => {
      const texts = randomTexts(400)
      await using one = await openModel(defaultModel, { dtype, threads: 1 }, defaultPlanner)
      await using two = await openModel(
        defaultModel,
        { dtype, threads: 2 },
        { ...defaultPlanner, packTokens: 70 },
      )
      for (const pooling of ['mean', 'last'] as const) {
        const expected = await one.embed(texts, { pooling })
        assert.deepEqual(await two.embed(texts, { pooling }), expected)
        assert.deepEqual(await one.embed(texts.toReversed(), { pooling }), expected.toReversed())
        const overlapping = await Promise.all(texts.slice(0, 40).map(text => one.embed([text], { pooling })))
        assert.deepEqual(overlapping.flat(), expected.slice(0, 40))
      }
    })

  it('streams in order, and tells progress', async () => {
    const texts = randomTexts(300)
    let last = { textsDone: 0, tokensDone: 0, textsTotal: undefined as number | undefined }
    async function* source() {
      yield* texts
    }
    const results = []
    for await (const result of model.embedStream(source(), { onProgress: progress => (last = progress) }))
      results.push(result)
    assert.deepEqual(results, await model.embed(texts))
    const tokens = texts.reduce((n, { length }) => n + length, 0)
    assert.deepEqual([last.textsDone, last.tokensDone], [300, tokens])
  })

  it('cuts, skips or names a text that is too long', async () => {
    const long = new Array(2050).fill(65)
    const texts = [[66], long, [67]]
    await assert.rejects(model.embed(texts), {
      code: 'CONTEXT_LENGTH',
      message: /^text 1 has 2050 tokens; the context has 2048 positions\. Shorten it, or set tooLong to/,
    })
    const [, skipped, last] = await model.embed(texts, { tooLong: 'skip' })
    assert.deepEqual(skipped, { embedding: [], tokens: 0, truncatedTokens: 0, skipped: true })
    assert.deepEqual([last], await model.embed([[67]]))
    const [, cut] = await model.embed(texts, { tooLong: 'truncate-right' })
    assert.deepEqual(
      [cut],
      (await model.embed([long.slice(0, 2048)])).map(result => ({ ...result, truncatedTokens: 2 })),
    )
  })

  it('answers the texts before one that is wrong, where they are streamed', async () => {
    const done = []
    await assert.rejects(
      async () => {
        for await (const result of model.embedStream([[1], [2], [999]])) done.push(result)
      },
      { code: 'TOKEN_OUT_OF_RANGE', message: /^text 2: token 0 is 999/ },
    )
    assert.equal(done.length, 2)
  })

  it('ends when it is aborted, and its model disposed', async () => {
    const texts = randomTexts(3000)
    const abort = new AbortController()
    const aborted = model.embed(texts, { signal: abort.signal, onProgress: () => abort.abort() })
    await assert.rejects(aborted, { code: 'ABORTED', name: 'AbortError' })
    const other = await loadModel(defaultModel)
    const running = assert.rejects(other.embed(texts), { code: 'DISPOSED' })
    await other.dispose()
    await running
    await assert.rejects(other.embed(['a']), { code: 'DISPOSED' })
  })

  for (const [options, message] of [
    [{ pooling: 'max' }, /^pooling is "max"; expected one of 'mean', 'last'/],
    [{ normalise: true }, /^unknown option "normalise"/],
    [{ priority: 1 }, /^priority is 1/],
  ] as const)
    it(`refuses ${JSON.stringify(options)}`, () =>
      assert.rejects(model.embed(['a'], options as object), { code: 'INVALID_ARGUMENT', message }))

  it('refuses what are no texts', () =>
    assert.rejects(model.embed(7 as never), { code: 'INVALID_ARGUMENT', message: /^texts is 7/ }))
})
