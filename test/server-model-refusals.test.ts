// What the routes over a model refuse, and which field the error names.
import { strict as assert } from 'node:assert'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ServedModel, serveModel } from './server-model-run.ts'
import { randomTinyTensors, withTinyModel } from './tiny-model.ts'

const long = 'a'.repeat(3000)
const many = Array.from({ length: 65 }, () => 'a')
const pair = { prompt: 'a', continuations: ['b'] }
const labels = ['x', 'y']

/** A body, and the error: its message and the field it names. */
type Row = [body: object, message: string | RegExp, param: string]
const refusals: Record<string, Row[]> = {
  '/v1/embeddings': [
    [{}, 'input is missing', 'input'],
    [{ input: 'a', model: 'other' }, /^there is no model "other"/, 'model'],
    [{ input: 'a', pooling: 'last' }, 'unknown field pooling', 'pooling'],
    [{ input: [] }, 'input is empty', 'input'],
    [{ input: many }, 'input has 65 entries; a request may have 64', 'input'],
    [{ input: { text: 'a' } }, /^input: expected a text, a list of texts/, 'input'],
    [{ input: [['a']] }, /^input: expected a text, a list of texts/, 'input'],
    [
      { input: ['a', long] },
      /^input\[1\] has 3001 tokens; the context has 2048 positions\. Shorten it$/,
      'input',
    ],
    [{ input: [[1], [999]] }, /^input\[1\]: token 0 is 999; ids of this model are 0 to 257/, 'input'],
    [{ input: 'a', dimensions: 7 }, /^dimensions: vectors of this model have \d+$/, 'dimensions'],
    [
      { input: 'a', encoding_format: 'hex' },
      "encoding_format: expected 'float' or 'base64'",
      'encoding_format',
    ],
    [
      { input: 'a', truncate_prompt_tokens: 0 },
      /^truncate_prompt_tokens: expected a whole number/,
      'truncate_prompt_tokens',
    ],
    [
      { input: 'a', truncate_prompt_tokens: 2049 },
      'truncate_prompt_tokens: the context has 2048 positions',
      'truncate_prompt_tokens',
    ],
    [{ input: 'a', normalize: 1 }, 'normalize: expected true or false', 'normalize'],
  ],
  '/classify': [
    [{ input: 'a' }, 'labels is missing', 'labels'],
    [{ input: 'a', labels, multilabel: true }, 'unknown field multilabel', 'multilabel'],
    [{ input: 'a', labels: [{ name: 'x', word: 'y' }] }, 'unknown field labels.0.word', 'labels.0.word'],
    [{ input: 'a', labels: 'x' }, /^labels: expected a list of labels/, 'labels'],
    [{ input: 'a', labels: ['x', ''] }, /^labels\.1: expected a text, or \{name, text\}$/, 'labels.1'],
    [{ input: 'a', labels: [] }, /^labels is empty/, 'labels'],
    [{ input: 'a', labels: ['x', 'x'] }, /^label 1 has the name "x" of another label/, 'labels'],
    [{ input: 'a', labels: many }, 'labels has 65 entries; a request may have 64', 'labels'],
    [{ input: 'a', labels, template: 'no place' }, /^template/, 'template'],
    [{ input: 'a', labels, calibrate: 'yes' }, /^calibrate: expected 'none', 'pmi'/, 'calibrate'],
    [{ input: ['a', ''], labels }, /^text 1 is empty/, 'input'],
    [{ input: ['a', long], labels }, /^text 1, .*2048 positions/, 'input'],
    [{ input: [1, 2], labels }, 'input: expected a text, or a list of texts', 'input'],
  ],
  '/v1/rerank': [
    [{ query: 'a' }, 'documents is missing', 'documents'],
    [{ documents: ['a'] }, 'query is missing', 'query'],
    [{ query: '', documents: ['a'] }, 'query: expected a text that is not empty', 'query'],
    [{ query: 'a', documents: [] }, 'documents is empty', 'documents'],
    [{ query: 'a', documents: many }, 'documents has 65 entries; a request may have 64', 'documents'],
    [{ query: 'a', documents: ['b', ''] }, /^document 1 is empty/, 'documents'],
    [{ query: 'a', documents: ['b', long] }, /^document 1, .*2048 positions/, 'documents'],
    [
      { query: 'a', documents: [{ text: 'b', title: 'c' }] },
      'unknown field documents.0.title',
      'documents.0.title',
    ],
    [{ query: 'a', documents: ['b'], top_n: 0 }, 'top_n: expected a whole number of at least 1', 'top_n'],
    [{ query: 'a', documents: ['b'], template: '{text}' }, /^template/, 'template'],
    [
      { query: 'a', documents: ['b'], max_tokens_per_doc: 0 },
      /^max_tokens_per_doc: expected a whole/,
      'max_tokens_per_doc',
    ],
    [{ query: 'a', documents: ['b'], max_tokens_per_query: 1 }, /^unknown field/, 'max_tokens_per_query'],
    [{ query: 'a', documents: ['b'], top_k: 1 }, 'unknown field top_k', 'top_k'],
  ],
  '/v1/score': [
    [{ text_1: 'a' }, 'text_2 is missing', 'text_2'],
    [{ text_1: ['a', 'b'], text_2: ['a'] }, 'text_2 has 1 texts; expected 2, as many as text_1', 'text_2'],
    [{ text_1: [], text_2: ['a'] }, 'text_1 is empty', 'text_1'],
    [{ text_1: ['a', ''], text_2: ['a', 'b'] }, /^text_1: expected a text that is not empty/, 'text_1'],
    [{ text_1: 'a', text_2: many }, 'text_2 has 65 entries; a request may have 64', 'text_2'],
    [{ text_1: 'a', text_2: ['b', long] }, /^text_2\[1\], .*2048 positions/, 'text_2'],
    [{ text_1: 'a', text_2: 'b', template: '' }, /^template/, 'template'],
    [{}, 'text_1 is missing', 'text_1'],
    [{ data_2: 'a' }, 'data_1 is missing', 'data_1'],
    [{ queries: 'a' }, 'documents is missing', 'documents'],
    [{ queries: ['a', 'b'], items: 'c' }, 'items has 1 texts; expected 2, as many as queries', 'items'],
    [
      { text_1: 'a', text_2: 'b', queries: 'c' },
      /^queries is there beside text_1; expected one of: text_1 and/,
      'queries',
    ],
    [
      { queries: 'a', documents: 'b', items: 'c' },
      /^items is there beside queries; expected one of/,
      'items',
    ],
    [{ text_1: 'a', text_2: 'b', documents_1: 'c' }, 'unknown field documents_1', 'documents_1'],
    [
      { text_1: 'a', text_2: 'b', truncate_prompt_tokens: 5 },
      /^truncate_prompt_tokens: expected -1/,
      'truncate_prompt_tokens',
    ],
  ],
  '/generative_scoring': [
    [{ query: 'a', items: ['b'] }, 'label_token_ids is missing', 'label_token_ids'],
    [
      { query: 'a', items: ['b'], label_token_ids: [] },
      /^label_token_ids: expected a list/,
      'label_token_ids',
    ],
    [
      { query: 'a', items: ['b'], label_token_ids: [1, 258] },
      'label_token_ids: ids of this model are 0 to 257, not 258',
      'label_token_ids',
    ],
    [{ query: 'a', items: [], label_token_ids: [1] }, /^items: expected a list of texts/, 'items'],
    [
      { query: 'a', items: many, label_token_ids: [1] },
      'items has 65 entries; a request may have 64',
      'items',
    ],
    [{ query: 'a', items: [[1]], label_token_ids: [1] }, /^items: expected texts with a query/, 'items'],
    [{ query: [1], items: [[1], [999]], label_token_ids: [1] }, /^items\[1\]: token 1 is 999/, 'items'],
    [{ query: 'a', items: ['b', long], label_token_ids: [1] }, /^items\[1\], .*2048 positions/, 'items'],
    [{ query: 'a', items: ['b'], label_token_ids: [1], softmax: true }, 'unknown field softmax', 'softmax'],
  ],
  '/v1/loglikelihood': [
    [{}, 'requests is missing', 'requests'],
    [{ requests: [] }, /^requests: expected a list/, 'requests'],
    [{ requests: [pair], boundry: 'joint' }, 'unknown field boundry', 'boundry'],
    [{ requests: [{ ...pair, id: 1 }] }, 'unknown field requests.0.id', 'requests.0.id'],
    [{ requests: [{ prompt: 'a' }] }, 'requests.0.continuations is missing', 'requests.0.continuations'],
    [
      { requests: [pair, { ...pair, continuations: [''] }] },
      /^requests\[1\], continuation 0 is empty/,
      'requests',
    ],
    [
      { requests: [pair, { ...pair, prompt: long }] },
      /^requests\[1\], .*2048 positions.*Shorten it$/,
      'requests',
    ],
    [
      { requests: [{ ...pair, continuations: [[999]] }] },
      /^requests\[0\], continuation 0: token 0/,
      'requests',
    ],
    [{ requests: many.map(() => pair) }, 'requests has 65 entries; a request may have 64', 'requests'],
    [{ requests: [pair], boundary: 'both' }, /^boundary: expected 'joint', 'harness'/, 'boundary'],
    [{ requests: [pair], too_long: 'cut' }, /^too_long: expected 'error', /, 'too_long'],
    [{ requests: [pair], top_k: 21 }, 'top_k: expected 0 to 20', 'top_k'],
  ],
  '/tokenize': [
    [{}, 'prompt is missing, or messages', 'prompt'],
    [{ prompt: 'a', messages: [] }, /^messages are there beside a prompt/, 'messages'],
    [{ prompt: 'a', add_generation_prompt: true }, /^add_generation_prompt belongs/, 'add_generation_prompt'],
    [{ prompt: ['a'] }, 'prompt: expected a text', 'prompt'],
    [{ messages: [{ role: 'user' }] }, 'messages.0.content is missing', 'messages.0.content'],
    [{ prompt: 'a', return_tokens: true }, 'unknown field return_tokens', 'return_tokens'],
  ],
  '/detokenize': [
    [{}, 'tokens is missing', 'tokens'],
    [{ tokens: [1, 258] }, 'tokens: ids of this model are 0 to 257, not 258', 'tokens'],
    [{ tokens: 'a' }, 'tokens: expected a list of token ids', 'tokens'],
    [{ tokens: [1], skip_special_tokens: true }, 'unknown field skip_special_tokens', 'skip_special_tokens'],
  ],
}

describe('refusals of the routes over a model', () => {
  let served: ServedModel
  serveModel(server => {
    served = server
  })

  for (const [path, rows] of Object.entries(refusals))
    it(path, async () => {
      for (const [body, message, param] of rows) {
        const error = await served.refused(path, body)
        const shown = `${JSON.stringify(body).slice(0, 100)}: ${JSON.stringify(error)}`
        assert.equal(error.status, param === 'model' ? 404 : 400, shown)
        assert.equal(error.type, 'invalid_request_error', shown)
        if (typeof message === 'string') assert.equal(error.message, message, shown)
        else assert.match(error.message, message, shown)
        assert.equal(error.param, param, shown)
      }
      assert.equal(await served.queueTokens(), 0)
    })

  it('a model without a tokenizer takes ids, and refuses texts', async () => {
    await withTinyModel({ options: { dtype: 'float32' } }, async tiny => {
      const own = await ServedModel.start(tiny)
      try {
        const { status } = await own.post('/v1/embeddings', { input: [1, 2] })
        assert.equal(status, 200)
        for (const [path, body, param] of [
          ['/v1/embeddings', { input: 'a' }, 'input'],
          ['/v1/loglikelihood', { requests: [pair] }, 'requests'],
          ['/tokenize', { prompt: 'a' }, 'prompt'],
          ['/detokenize', { tokens: [1] }, null],
        ] as const) {
          const error = await own.refused(path, body)
          assert.deepEqual([error.status, error.code, error.param], [400, 'tokenizer', param])
        }
        const error = await own.refused('/tokenize', { messages: [{ role: 'user', content: 'Hi' }] })
        assert.deepEqual([error.status, error.code, error.param], [400, 'chat_template', 'messages'])
        assert.equal(error.message, 'the checkpoint has no chat template; give a prompt')
      } finally {
        await own.close()
      }
    })
  })

  it('a score that is NaN is an error, and no null', async () => {
    const tensors = randomTinyTensors((name, values) => {
      // What the norms scale overflows.
      if (name.includes('norm')) values.fill(1e38)
    })
    await withTinyModel({ tensors, options: { dtype: 'float32' } }, async broken => {
      const own = await ServedModel.start(broken)
      try {
        const request = { prompt: [2], continuations: [[3]] }
        for (const [path, body] of [
          ['/v1/embeddings', { input: [1, 2] }],
          ['/v1/loglikelihood', { requests: [request] }],
          ['/generative_scoring', { query: [1], items: [[2]], label_token_ids: [3] }],
        ] as const) {
          const error = await own.refused(path, body)
          assert.deepEqual(
            [error.status, error.code, error.message],
            [500, 'score_not_finite', 'internal error'],
          )
        }
        assert.match(own.logged.at(-1)!.message as string, /NaN or infinite/)
        const { lines } = await own.answerTo('/v1/loglikelihood', `${JSON.stringify(request)}\n`)
        assert.deepEqual([lines[0].index, lines[0].error.code], [0, 'score_not_finite'])
        while (own.logged.length < 4) await nextTurn()
        const { level, status, code, message } = own.logged[3]!
        assert.deepEqual([level, status, code], [50, 200, 'SCORE_NOT_FINITE'])
        assert.match(message as string, /NaN or infinite/)
      } finally {
        await own.close()
      }
    })
  })
})
