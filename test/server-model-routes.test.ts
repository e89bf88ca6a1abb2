// The routes over a model but generation: each gives, to the bit, what the call of Model gives that it stands for.
import { strict as assert } from 'node:assert'
import { loadModel, type Model } from '../src/index.ts'
import { classify } from '../src/server/routes/classify.ts'
import { detokenize } from '../src/server/routes/detokenize.ts'
import { embeddings } from '../src/server/routes/embeddings.ts'
import { generativeScoring } from '../src/server/routes/generative-scoring.ts'
import { loglikelihood } from '../src/server/routes/loglikelihood.ts'
import { rerank } from '../src/server/routes/rerank.ts'
import { score } from '../src/server/routes/score.ts'
import { tokenize } from '../src/server/routes/tokenize.ts'
import { type Json, type ServedModel, serveModel } from './server-model-run.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

describe('routes over a model', () => {
  let model: Model
  let served: ServedModel
  serveModel((server, loaded) => {
    served = server
    model = loaded
  })
  /** Ids that a text is run as: bytes after BOS, in this model. */
  const tokens = (...texts: string[]) =>
    texts.reduce((sum, text) => sum + model.tokenizer!.count(text) + (model.info.addBos ? 1 : 0), 0)
  const bare = (...texts: string[]) => texts.reduce((sum, text) => sum + model.tokenizer!.count(text), 0)
  const usage = (count: number) => ({ prompt_tokens: count, completion_tokens: 0, total_tokens: count })

  describe('/v1/embeddings', () => {
    const texts = ['Bread is baked.', 'Ünïcödé', '']
    const vectors = async (asked: (string | number[])[], options = {}) =>
      (await model.embed(asked, options)).map(({ embedding }) => embedding)
    const own = (json: Json): number[][] => json.data.map(({ embedding }: Json) => embedding)

    it('gives the vectors of Model.embed()', async () => {
      const json = await served.ask(embeddings, { input: texts, model: 'tiny' })
      assert.deepEqual(own(json), await vectors(texts))
      assert.deepEqual(
        json.data.map(({ index }: Json) => index),
        [0, 1, 2],
      )
      assert.deepEqual(json.usage, usage(tokens(...texts.slice(0, 2)) + 1))
      assert.equal(json.model, 'tiny')
    })

    it('takes a text, ids and lists of ids', async () => {
      assert.deepEqual(own(await served.ask(embeddings, { input: texts[0] })), await vectors([texts[0]!]))
      assert.deepEqual(own(await served.ask(embeddings, { input: [5, 6] })), await vectors([[5, 6]]))
      const lists = [[5, 6], [7]]
      assert.deepEqual(own(await served.ask(embeddings, { input: lists })), await vectors(lists))
    })

    it('gives the same numbers in base64', async () => {
      const json = await served.ask(embeddings, { input: texts, encoding_format: 'base64' })
      const decoded = own(json).map(text => {
        const bytes = Buffer.from(text as unknown as string, 'base64')
        return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i))
      })
      assert.deepEqual(decoded, await vectors(texts))
    })

    it('takes normalize, add_special_tokens and the dimensions that there are', async () => {
      const asked = { input: texts.slice(0, 2), normalize: false, add_special_tokens: false }
      const json = await served.ask(embeddings, { ...asked, dimensions: model.info.hiddenSize })
      const options = { normalize: false, addBos: false }
      assert.deepEqual(own(json), await vectors(texts.slice(0, 2), options))
    })

    it('keeps the last tokens, and BOS before a text', async () => {
      const bos = model.info.bosTokenId
      const ids = [5, 6, 7, 8]
      const bytes = Array.from(model.tokenizer!.encode('abcd'))
      for (const [input, count, want] of [
        ['abcd', 3, [bos!, ...bytes.slice(2)]],
        ['abcd', 5, [bos!, ...bytes]],
        [ids, 3, ids.slice(1)],
        [ids, -1, ids],
      ] as const) {
        const json = await served.ask(embeddings, { input, truncate_prompt_tokens: count })
        assert.deepEqual(own(json), await vectors([[...want]]))
        assert.deepEqual(json.usage, usage(want.length))
      }
      const long = await served.ask(embeddings, { input: 'a'.repeat(3000), truncate_prompt_tokens: -1 })
      assert.deepEqual(own(long), await vectors(['a'.repeat(2047)]))
    })
  })

  describe('/classify', () => {
    const input = ['a good day', 'rain']
    const labels = ['bad', { name: 'fine', text: 'good' }, 'wet']

    it('gives the probabilities of Model.classify(), in the order of the labels', async () => {
      for (const [own, options] of [
        [{}, {}],
        [{ multi_label: true }, { multiLabel: true }],
        [{ calibrate: 'contextual' }, { calibrate: 'contextual' }],
        [
          { calibrate: 'pmi', template: '{text} is' },
          { calibrate: 'pmi', template: '{text} is' },
        ],
      ] as const) {
        const json = await served.ask(classify, { input, labels, ...own })
        const want = await model.classify(input, { labels, ...options })
        for (const [i, { label, probs, num_classes }] of json.data.entries()) {
          assert.equal(label, want[i]!.label)
          const names = ['bad', 'fine', 'wet']
          assert.deepEqual(
            probs,
            names.map(name => want[i]!.scores[want[i]!.labels.indexOf(name)]),
          )
          assert.equal(num_classes, 3)
        }
      }
    })

    it('cuts what is too long for the context', async () => {
      const long = 'a'.repeat(3000)
      const json = await served.ask(classify, { input: long, labels, truncate_prompt_tokens: -1 })
      const want = await model.classify(long, { labels, tooLong: 'truncate-left' })
      assert.equal(json.data[0].label, want.label)
    })

    it('takes one text, and counts prompts and labels', async () => {
      const json = await served.ask(classify, {
        input: 'rain',
        labels: ['yes', 'no'],
        template: 'Is {text}?',
      })
      const want = await model.classify('rain', { labels: ['yes', 'no'], template: 'Is {text}?' })
      assert.equal(json.data[0].label, want.label)
      assert.deepEqual(json.usage, usage(tokens('Is rain?') + bare(' yes', ' no')))
    })
  })

  describe('/v1/rerank', () => {
    const query = 'Who wrote Faust?'
    const documents = ['Bread is baked.', 'Goethe finished Faust in 1831.', 'Rain.']

    it('gives the scores of Model.rank(), in its order', async () => {
      const want = await model.rank(query, documents)
      for (const path of ['/v1/rerank', '/rerank', '/v2/rerank']) {
        const json = await served.ask(rerank, { query, documents }, path)
        assert.deepEqual(
          json.results,
          want.map(({ index, score, document }) => ({
            ...{ index, relevance_score: Math.exp(score / bare(query)), log_likelihood: score },
            document: { text: document },
          })),
        )
        const prompts = documents.map(
          document => `Passage: ${document}\nPlease write a question based on this passage.\nQuestion:`,
        )
        const count = tokens(...prompts) + 3 * bare(` ${query}`)
        assert.deepEqual(json.usage, usage(count))
        assert.deepEqual(json.meta, { tokens: { input_tokens: count, output_tokens: 0 } })
      }
    })

    it('takes {text}, top_n, return_documents and a template', async () => {
      const template = 'A: {document} Q:'
      const given = [{ text: documents[0] }, documents[1], { text: documents[2] }]
      const options = { top_n: 2, return_documents: false, template }
      const json = await served.ask(rerank, { query, documents: given, ...options })
      const want = await model.rank(query, documents, { template })
      assert.deepEqual(
        json.results.map(({ index, log_likelihood }: Json) => [index, log_likelihood]),
        want.slice(0, 2).map(({ index, score }) => [index, score]),
      )
      assert.ok(!('document' in json.results[0]))
    })

    it('cuts documents after max_tokens_per_doc, and what is too long for the context', async () => {
      // The fourth byte is within a character.
      const given = ['aäöb', 'Rain.', 'b']
      const json = await served.ask(rerank, { query, documents: given, max_tokens_per_doc: 4 })
      const want = await model.rank(query, ['aä', 'Rain', 'b'])
      assert.deepEqual(
        json.results.map(({ log_likelihood, document }: Json) => [log_likelihood, document.text]),
        want.map(({ index, score }) => [score, given[index]]),
      )
      const long = ['a'.repeat(3000), 'b']
      const cut = await served.ask(rerank, { query, documents: long, truncate_prompt_tokens: -1 })
      assert.deepEqual(
        cut.results.map(({ log_likelihood }: Json) => log_likelihood),
        (await model.rank(query, long, { tooLong: 'truncate-left' })).map(({ score }) => score),
      )
    })
  })

  describe('/v1/score', () => {
    const queries = ['Who wrote Faust?', 'What falls?', 'Eh?']
    const documents = ['Goethe finished Faust in 1831.', 'Rain.', 'Bread is baked.']
    const one = async (query: string, document: string, template?: string) => {
      const [{ score } = assert.fail()] = await model.rank(query, [document], template ? { template } : {})
      return { score: Math.exp(score / bare(query)), log_likelihood: score }
    }
    const data = (json: Json) =>
      json.data.map(({ score, log_likelihood }: Json) => ({ score, log_likelihood }))

    it('pairs one with one, one with many, and many one by one', async () => {
      const single = await served.ask(score, { text_1: queries[0], text_2: documents[0] })
      assert.deepEqual(data(single), [await one(queries[0]!, documents[0]!)])
      const many = await served.ask(score, { text_1: [queries[0]], text_2: documents }, '/score')
      assert.deepEqual(data(many), await Promise.all(documents.map(each => one(queries[0]!, each))))
      const template = 'A: {document} Q:'
      const pairs = await served.ask(score, { text_1: queries, text_2: documents, template })
      assert.deepEqual(
        data(pairs),
        await Promise.all(documents.map((each, i) => one(queries[i]!, each, template))),
      )
      assert.deepEqual(
        pairs.data.map(({ index, object }: Json) => [index, object]),
        [0, 1, 2].map(index => [index, 'score']),
      )
    })

    it("takes vLLM's other names of the two sides, and cuts what is too long for the context", async () => {
      const want = data(await served.ask(score, { text_1: queries, text_2: documents }))
      for (const [first, second] of [
        ['data_1', 'data_2'],
        ['queries', 'documents'],
        ['queries', 'items'],
      ] as const)
        assert.deepEqual(data(await served.ask(score, { [first]: queries, [second]: documents })), want)
      const long = 'a'.repeat(3000)
      const json = await served.ask(score, { text_1: 'b', text_2: long, truncate_prompt_tokens: -1 })
      const [{ score: cut } = assert.fail()] = await model.rank('b', [long], { tooLong: 'truncate-left' })
      assert.equal(json.data[0].log_likelihood, cut)
    })
  })

  describe('/generative_scoring', () => {
    const labels = [65, 66, 67]
    const query = 'Answer: '
    const items = ['one', 'two']
    const logProbs = async (prompts: readonly (string | readonly number[])[], addBos?: boolean) => {
      const requests = prompts.map(prompt => ({ prompt, continuations: labels.map(id => [id]) }))
      const results = await model.score(requests, addBos === undefined ? {} : { addBos })
      return results.map(({ continuations }) => continuations.map(({ logLikelihood }) => logLikelihood))
    }

    it('gives probabilities of the labels among all tokens', async () => {
      const asked = { query, items, label_token_ids: labels, apply_softmax: false }
      const json = await served.ask(generativeScoring, asked)
      const want = await logProbs(items.map(item => query + item))
      assert.deepEqual(
        json.scores,
        want.map(values => values.map(Math.exp)),
      )
      assert.deepEqual(
        json.data.map(({ score }: Json) => score),
        json.scores.map(([first]: Json) => first),
      )
      assert.deepEqual(json.usage, usage(tokens(...items.map(item => query + item))))
    })

    it('gives those among the labels, for items before the query and for ids', async () => {
      const ids = { query: [1, 2], items: [[3], [4, 5]], label_token_ids: labels, add_special_tokens: false }
      for (const [asked, prompts] of [
        [{ query, items, label_token_ids: labels, item_first: true }, items.map(item => item + query)],
        [
          ids,
          [
            [1, 2, 3],
            [1, 2, 4, 5],
          ],
        ],
      ] as const) {
        const { scores } = await served.ask(generativeScoring, asked)
        const want = await logProbs(prompts)
        for (const [i, values] of want.entries()) {
          const all = values.reduce((sum, value) => sum + Math.exp(value), 0)
          for (const [k, value] of values.entries())
            assert.ok(Math.abs(scores[i][k] - Math.exp(value) / all) < 1e-12)
        }
      }
    })
  })

  describe('/v1/loglikelihood', () => {
    const requests = [
      { prompt: 'The sky is ', continuations: ['blue', ' green'] },
      { prompt: [1, 2, 3], continuations: [[4, 5], 'x'] },
      { prompt: '', continuations: ['Hello'] },
    ]
    const shown = (results: Awaited<ReturnType<Model['score']>>) =>
      results.map(({ continuations, truncatedTokens, skipped }, index) => ({
        index,
        continuations: continuations.map(own => ({
          log_likelihood: own.logLikelihood,
          is_greedy: own.isGreedy,
          tokens: own.tokens,
          token_logprobs: own.tokenLogProbs,
          ...(own.topAlternatives && {
            top_logprobs: own.topAlternatives.map(best =>
              best.map(({ token, logProb }) => ({ token, logprob: logProb })),
            ),
          }),
        })),
        ...{ truncated_tokens: truncatedTokens, skipped },
      }))

    it('gives what score() gives', async () => {
      for (const [own, options] of [
        [{}, {}],
        [
          { boundary: 'harness', top_k: 3 },
          { boundary: 'harness', topK: 3 },
        ],
        [
          { boundary: 'separate', add_special_tokens: false },
          { boundary: 'separate', addBos: false },
        ],
      ] as const) {
        const json = await served.ask(loglikelihood, { requests, ...own })
        assert.deepEqual(json.results, shown(await model.score(requests, options)))
      }
    })

    it('cuts and skips what is too long, and leaves tokens out where they are not wanted', async () => {
      const long = 'a'.repeat(model.info.contextLength + 10)
      const asked = [{ prompt: long, continuations: ['b'] }]
      for (const tooLong of ['truncate-left', 'truncate-right', 'skip'] as const) {
        const json = await served.ask(loglikelihood, {
          requests: asked,
          too_long: tooLong,
          return_tokens: true,
        })
        assert.deepEqual(json.results, shown(await model.score(asked, { tooLong })))
      }
      const short = await served.ask(loglikelihood, { requests, return_tokens: false })
      assert.deepEqual(Object.keys(short.results[0].continuations[0]), ['log_likelihood', 'is_greedy'])
    })

    it('counts a prompt once', async () => {
      const json = await served.ask(loglikelihood, { requests: requests.slice(0, 1) })
      assert.deepEqual(json.usage, usage(tokens('The sky is ') + bare('blue', ' green')))
      assert.equal(served.logged.at(-1)!.promptTokens, json.usage.prompt_tokens)
    })
  })

  describe('/tokenize, /detokenize and /tokenizer_info', () => {
    it('gives the ids that a prompt is run as, and their texts', async () => {
      const prompt = 'Grüße 🙂'
      const json = await served.ask(tokenize, { prompt, return_token_strs: true })
      const ids = model.tokenizer!.encode(prompt, { addSpecialTokens: true })
      assert.deepEqual(json, {
        ...{ count: ids.length, max_model_len: model.info.contextLength, tokens: ids },
        token_strs: ids.map(id => model.tokenizer!.tokenText(id)),
      })
      const alone = await served.ask(tokenize, { prompt, add_special_tokens: false })
      assert.deepEqual(alone.tokens, model.tokenizer!.encode(prompt))
      assert.equal(alone.token_strs, null)
      for (const tokens of [ids, alone.tokens, []])
        assert.deepEqual(await served.ask(detokenize, { tokens }), {
          prompt: model.tokenizer!.decode(tokens, { skipSpecialTokens: false }),
        })
    })

    it('gives the ids of a conversation', async () => {
      const messages = [{ role: 'user', content: 'Hi' }]
      for (const [own, options] of [
        [{}, {}],
        [{ add_generation_prompt: false }, { addGenerationPrompt: false }],
      ] as const) {
        const { tokens } = await served.ask(tokenize, { messages, ...own })
        const prompt = model.applyChatTemplate(messages, options)
        assert.deepEqual(tokens, model.tokenizer!.encode(prompt))
      }
    })

    it('says what the tokenizer is', async () => {
      const answer = await fetch(`${served.url}/tokenizer_info`)
      const info: Json = await answer.json()
      assert.equal(info.vocab_size, model.tokenizer!.vocabSize)
      assert.equal(info.add_bos_token, model.tokenizer!.addBos)
      const { bosTokenId, eosTokenId } = model.tokenizer!
      assert.deepEqual([info.bos_token_id, info.eos_token_id], [bosTokenId, eosTokenId])
      // What a client does with the names: it encodes them.
      for (const [name, id] of [
        [info.bos_token, bosTokenId],
        [info.eos_token, eosTokenId],
      ]) {
        const { tokens } = await served.ask(tokenize, { prompt: name, add_special_tokens: false })
        assert.deepEqual(tokens, [id])
      }
    })
  })
})

describe('routes over a model that knows English', () => {
  let model: Model
  let served: ServedModel
  serveModel(
    (server, loaded) => {
      served = server
      model = loaded
    },
    context => {
      if (sharedMissing) skip(context, sharedMissing)
      return loadModel(shared('models', 'smollm2-135m', 'model-q4_1.gguf'))
    },
  )

  it('rank the document that has the answer first', async () => {
    const query = 'Who wrote Faust?'
    const documents = ['Bread is baked in an oven.', 'Goethe finished Faust in 1831.']
    const { results } = await served.ask(rerank, { query, documents, top_n: 1 })
    assert.equal(results[0].index, 1)
    const { data } = await served.ask(score, { text_1: query, text_2: documents })
    assert.equal(data[1].score, results[0].relevance_score)
    assert.ok(data[0].score < data[1].score)
  })

  it('classify a complaint as one', async () => {
    const template = 'Review: {text}\nSentiment:'
    const labels = ['positive', 'negative']
    const { data } = await served.ask(classify, { input: 'The food was cold and late.', labels, template })
    assert.equal(data[0].label, 'negative')
    assert.ok(data[0].probs[1] > data[0].probs[0])
  })

  it('give tokens and their texts back', async () => {
    const text = 'Grüße 🙂  to <|im_end|> all'
    const { tokens } = await served.ask(tokenize, { prompt: text })
    assert.deepEqual(tokens, model.tokenizer!.encode(text))
    assert.deepEqual(await served.ask(detokenize, { tokens }), { prompt: text })
  })
})
