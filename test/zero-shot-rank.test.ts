// Model.rank(): its scores are those that score() gives, to the bit.
import { strict as assert } from 'node:assert'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type Model, type RankOptions } from '../src/index.ts'
import { byRelevance } from '../src/zero-shot/rank.ts'
import { defaultModel } from './tiny-model.ts'

const query = 'Who wrote Faust?'
const documents = ['Bread is baked.', 'Goethe finished Faust in 1831.', 'Faust is a city.', 'Rain.']

describe('Model.rank()', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())

  /** What rankStream() has to give. */
  async function expected(print: (document: string) => string, continuation = ` ${query}`) {
    const requests = documents.map(document => ({ prompt: print(document), continuations: [continuation] }))
    const results = await model.score(requests)
    return documents.map((document, index) => ({
      ...{ index, score: results[index]!.continuations[0]!.logLikelihood, document },
      truncatedTokens: 0,
    }))
  }
  const asked = (document: string) =>
    `Passage: ${document}\nPlease write a question based on this passage.\nQuestion:`

  it('sorts documents by the log-likelihood of the query after each', async () => {
    const inOrder = await expected(asked)
    const found = await model.rank(query, documents)
    assert.deepEqual(
      found,
      inOrder.toSorted((a, b) => b.score - a.score),
    )
    assert.deepEqual(JSON.parse(JSON.stringify(found)), found)
    assert.deepEqual(await model.rank(query, new Set(documents)), found)
    assert.deepEqual(await model.rank(query, []), [])
  })

  it('a stream gives them in their own order', async () => {
    async function* later() {
      yield* documents
    }
    assert.deepEqual(await collect(model.rankStream(query, later())), await expected(asked))
  })

  it('takes templates of both kinds, and puts no second space before the query', async () => {
    for (const template of ['{document}\n\n', (document: string) => `${document}\n\n`])
      assert.deepEqual(
        await collect(model.rankStream(query, documents, { template })),
        await expected(document => `${document}\n\n`, query),
      )
  })

  it('gives equal documents in the order they were given', async () => {
    const found = await model.rank(query, ['Rain.', 'Goethe wrote.', 'Rain.', 'Rain.'])
    const rain = found.filter(({ document }) => document === 'Rain.')
    assert.deepEqual(
      rain.map(({ index }) => index),
      [0, 2, 3],
    )
    const tied = [3, 1, 2].map(index => ({ index, score: -1, document: '', truncatedTokens: 0 }))
    assert.deepEqual(byRelevance(tied), tied)
  })

  it('finds scores of an earlier call in the cache', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mt-llama-rank-'))
    try {
      await using cache = await model.openScoreCache(folder)
      const first = await model.rank(query, documents, { cache })
      assert.equal(cache.hits, 0)
      assert.deepEqual(await model.rank(query, documents, { cache }), first)
      assert.equal(cache.hits, documents.length)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('reports a document as a request', async () => {
    const seen: [number, number | undefined][] = []
    await model.rank(query, documents, {
      onProgress: ({ requestsDone, requestsTotal }) => seen.push([requestsDone, requestsTotal]),
    })
    assert.deepEqual(seen.at(-1), [documents.length, documents.length])
  })

  it('cuts the start of a prompt that is too long where it may, and says how much', async () => {
    const long = ['Rain.', 'so '.repeat(1000)]
    await assert.rejects(model.rank(query, long), {
      ...{ code: 'CONTEXT_LENGTH', message: /^document 1, continuation 0: / },
    })
    const found = await collect(model.rankStream(query, long, { tooLong: 'truncate-left' }))
    const [cut] = await model.score([{ prompt: asked(long[1]!), continuations: [` ${query}`] }], {
      tooLong: 'truncate-left',
    })
    assert.equal(found[0]!.truncatedTokens, 0)
    assert.equal(found[1]!.truncatedTokens, cut!.truncatedTokens)
    assert.equal(found[1]!.score, cut!.continuations[0]!.logLikelihood)
  })

  const wrong: [what: string, query: unknown, documents: unknown, options: unknown, message: RegExp][] = [
    ['an empty query', '', documents, {}, /^query is ""; expected a text that is not empty$/],
    ['a query that is none', [1], documents, {}, /^query is \[1\]; expected a text/],
    ['an empty document', query, ['a', ''], {}, /^document 1 is empty; expected a text that is not empty$/],
    [
      'a document that is none',
      query,
      ['a', { text: 'b' }],
      {},
      /^document 1 is \{"text":"b"\}; expected a text/,
    ],
    [
      'one text',
      query,
      'a',
      {},
      /^documents is "a"; expected an array or an \(async\) iterable of documents$/,
    ],
    ['another option', query, documents, { topK: 1 }, /^unknown option "topK"; there are template, tooLong/],
    [
      'another placeholder',
      query,
      documents,
      { template: '{text}' },
      /^template is "\{text\}"; .* \{document\}/,
    ],
  ]
  for (const [what, given, list, options, message] of wrong)
    it(`refuses ${what}`, () =>
      assert.rejects(async () => model.rank(given as string, list as string[], options as RankOptions), {
        ...{ name: 'MtLlamaError', code: 'INVALID_ARGUMENT', message },
      }))
})

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
