// Holds POST /v1/completions to score() and generate(), to the bit, and to its own schema.
import assert from 'node:assert/strict'
import type { ScoreResult } from '../src/index.ts'
import { completions } from '../src/server/routes/completions.ts'
import { checker } from '../src/server/schema.ts'
import { events, post, type Running, withServer } from './server-run.ts'

const check = checker(completions.answer!)
/** Bytes of texts that a prompt's tokens are, each by itself, with é cut in two. */
const prompt = 'Hi é!'

describe('POST /v1/completions', () => {
  const asks = (name: string, body: (running: Running & { ask: Ask }) => Promise<void>) =>
    it(name, () =>
      withServer(running =>
        body({
          ...running,
          ask: async fields => {
            const { status, json } = await post(`${running.url}/v1/completions`, fields)
            assert.equal(status, 200, JSON.stringify(json))
            check(json)
            return json
          },
        }),
      ),
    )
  // biome-ignore lint/suspicious/noExplicitAny: an answer is of any kind
  type Ask = (fields: object) => Promise<any>

  asks(
    'echo gives the scores of the prompt to the bit, and the greedy token from the same pass',
    async ({ ask, model }) => {
      const ids = await model.promptIds(prompt, 0, { addBos: undefined, parseSpecial: true }, never)
      const [scored] = await model.score([{ prompt: ids.subarray(0, 1), continuations: [ids.subarray(1)] }], {
        topK: 2,
      })
      const [next] = await model.generate([ids], { maxTokens: 1, topLogProbs: 2 })
      const packs = () => [model.done.scoring.packs, model.done.generation.packs]
      const before = packs()
      const fields = { prompt, echo: true, logprobs: 2, max_tokens: 1, temperature: 0 }
      const { choices, usage } = await ask(fields)
      assert.deepEqual(packs(), [before[0]! + 1, before[1]])
      const { tokens, token_logprobs, top_logprobs, text_offset } = choices[0].logprobs
      assert.deepEqual(tokens, ['H', 'i', ' ', '\ufffd', '\ufffd', '!', tokens.at(-1)])
      const { tokenLogProbs, topAlternatives } = scored!.continuations[0]!
      // BOS is no part of the prompt, and the first token has no number.
      assert.deepEqual(token_logprobs, [null, ...tokenLogProbs.slice(1), ...next!.logProbs])
      // Two tokens of one text, U+FFFD, keep the larger number.
      for (const [i, best] of topAlternatives!.entries()) {
        if (i === 0) continue
        const values = Object.values(top_logprobs[i] as Record<string, number>)
        assert.equal(Math.max(...values), Math.max(best[0]!.logProb, tokenLogProbs[i]!))
      }
      assert.equal(top_logprobs[0], null)
      assert.deepEqual(text_offset, [0, 1, 2, 3, 3, 4, 5])
      assert.equal(choices[0].text, prompt + next!.text)
      assert.deepEqual(usage, { prompt_tokens: 7, completion_tokens: 1, total_tokens: 8 })
    },
  )

  asks('as lm-evaluation-harness reads it, it is score({ boundary: "harness" })', async ({ ask, model }) => {
    const pairs = [
      ['The sky is', ' blue'],
      ['Question: what? ', 'Answer'],
      ['a', 'b'],
    ] as const
    const results = await model.score(
      pairs.map(([prompt, continuation]) => ({ prompt, continuations: [continuation] })),
      { boundary: 'harness', addBos: false },
    )
    const encode = (text: string) => model.tokenizer!.encode(text)
    // The harness moves spaces at a context's end to the continuation.
    const contexts = pairs.map(([context]) => encode(context.trimEnd()).length)
    const fields = { echo: true, logprobs: 1, max_tokens: 1, temperature: 0, seed: 1234 }
    for (const prompts of [pairs.map(pair => encode(pair.join(''))), pairs.map(pair => pair.join(''))]) {
      const { choices } = await ask({ ...fields, prompt: prompts, add_special_tokens: false })
      for (const [i, { logprobs }] of choices.entries())
        assert.deepEqual(asHarness(logprobs, contexts[i]!), own(results[i]!))
    }
  })

  asks('max_tokens 0 gives the prompt alone', async ({ ask }) => {
    const { choices, usage } = await ask({ prompt: 'ab', echo: true, logprobs: 0, max_tokens: 0 })
    assert.deepEqual([choices[0].text, choices[0].finish_reason], ['ab', 'length'])
    assert.deepEqual(choices[0].logprobs.tokens, ['a', 'b'])
    for (const [i, top] of choices[0].logprobs.top_logprobs.entries())
      if (i > 0)
        assert.deepEqual(top, {
          [choices[0].logprobs.tokens[i]]: choices[0].logprobs.token_logprobs[i],
        })
    assert.equal(usage.completion_tokens, 0)
  })

  asks(
    'an empty prompt and one of a single token have no entry that something predicts',
    async ({ ask, model }) => {
      const fields = { echo: true, logprobs: 1, max_tokens: 1, temperature: 0, add_special_tokens: false }
      for (const [text, entries] of [
        ['a', 2],
        ['', 1],
      ] as const) {
        const { choices } = await ask({ ...fields, prompt: text })
        const [own] = await model.generate([text], { maxTokens: 1, addBos: false })
        const { token_logprobs } = choices[0].logprobs
        assert.equal(token_logprobs.length, entries)
        assert.equal(token_logprobs.at(-1), own!.logProbs[0])
        if (text !== '') assert.equal(token_logprobs[0], null)
      }
    },
  )

  asks('the one new token has as many alternatives as one of several', async ({ ask }) => {
    const fields = { prompt, echo: true, logprobs: 3, temperature: 0 }
    const [one, two] = [await ask({ ...fields, max_tokens: 1 }), await ask({ ...fields, max_tokens: 2 })]
    const { top_logprobs } = one.choices[0].logprobs
    assert.deepEqual(top_logprobs, two.choices[0].logprobs.top_logprobs.slice(0, -1))
    assert.ok(Object.keys(top_logprobs.at(-1)).length > 1)
  })

  asks('tokens are named by their texts, whatever those are', async ({ ask, model }) => {
    const names = ['constructor', '__proto__', 'toString', '"', '\\', '\u2028']
    const own = model.tokenizer!.tokenBytes()
    const of = (id: number) => (names[id - 65] ? Buffer.from(names[id - 65]!) : own.of(id))
    model.tokenizer!.tokenBytes = () => ({ ...own, of })
    const prompt = names.map((_, i) => 65 + i)
    const { choices } = await ask({ prompt, echo: true, logprobs: 2, max_tokens: 0 })
    const { tokens, token_logprobs, top_logprobs } = choices[0].logprobs
    assert.deepEqual(tokens, names)
    for (const [i, name] of names.entries())
      if (i > 0) assert.equal(new Map(Object.entries(top_logprobs[i])).get(name), token_logprobs[i])
  })

  asks('texts are those of generate(), of every prompt and choice', async ({ ask, model }) => {
    const own = { temperature: 0.8, seed: 7, n: 3 }
    const results = await model.generate(['Once', 'a'], {
      ...{ ...own, topP: 0.9, topK: 50, minP: 0.01, maxTokens: 9, topLogProbs: 1 },
      ...{ presencePenalty: 0.5, frequencyPenalty: -0.5, repetitionPenalty: 1.1, logitBias: { 65: 5 } },
    })
    const { choices } = await ask({
      ...{ prompt: ['Once', 'a'], ...own, top_p: 0.9, top_k: 50, min_p: 0.01, max_tokens: 9, logprobs: 1 },
      ...{ presence_penalty: 0.5, frequency_penalty: -0.5, repetition_penalty: 1.1, logit_bias: { 65: 5 } },
    })
    for (const [i, text] of results.flatMap(({ choices }) => choices!).entries()) {
      assert.equal(choices[i].text, text.text)
      assert.deepEqual(choices[i].logprobs.token_logprobs, text.logProbs)
    }
    const greedy = await ask({ prompt: 'Once', temperature: 0, n: 2, max_tokens: 5 })
    const [one] = await model.generate(['Once'], { maxTokens: 5 })
    assert.deepEqual(
      greedy.choices.map(({ index, text }: { index: number; text: string }) => [index, text]),
      [
        [0, one!.text],
        [1, one!.text],
      ],
    )
  })

  const streamed: [name: string, fields: object][] = [
    [
      'sampled, two of each prompt',
      { prompt: ['Hi', 'é'], temperature: 1.5, seed: 3, n: 2, max_tokens: 30, logprobs: 2 },
    ],
    [
      'greedy, two of each prompt',
      { prompt: ['Hi', 'é'], temperature: 0, n: 2, max_tokens: 12, logprobs: 0 },
    ],
    ['after an echo', { prompt, echo: true, temperature: 1, seed: 5, max_tokens: 8, logprobs: 1 }],
    ['one token after an echo', { prompt, echo: true, temperature: 0, max_tokens: 1, logprobs: 1 }],
    ['an echo alone', { prompt, echo: true, max_tokens: 0, logprobs: 1 }],
    [
      'with log-probabilities and stops that tokens begin',
      { prompt, temperature: 1, seed: 5, max_tokens: 40, logprobs: 1, stop: ['\u0002', 'qx', ' \u0007'] },
    ],
    [
      'with a stop that is held back',
      { prompt, temperature: 1, seed: 5, max_tokens: 40, stop: ['\u0002', 'qx'] },
    ],
  ]
  for (const [name, fields] of streamed)
    asks(`a stream joined is the whole answer: ${name}`, async ({ ask, url }) => {
      const { choices, usage } = await ask(fields)
      const options = { stream: true, stream_options: { include_usage: true } }
      const all = await events(`${url}/v1/completions`, { ...fields, ...options })
      const last = all.pop()
      assert.deepEqual([last.choices, last.usage], [[], usage])
      for (const whole of choices) {
        const own = all.map(({ choices: [choice] }) => choice).filter(({ index }) => index === whole.index)
        assert.equal(own.map(({ text }) => text).join(''), whole.text)
        assert.equal(own.at(-1).finish_reason, whole.finish_reason)
        assert.ok(own.slice(0, -1).every(({ finish_reason }) => finish_reason === null))
        if (whole.logprobs)
          for (const field of ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset'] as const)
            assert.deepEqual(
              own.flatMap(({ logprobs }) => logprobs[field]),
              whole.logprobs[field],
            )
      }
    })

  asks('answers do not depend on who else asks', async ({ ask }) => {
    const bodies = Array.from({ length: 24 }, (_, i) => ({
      prompt: `${'word '.repeat((7 * i) % 30)}number ${i}`,
      ...(i % 3 === 0
        ? { echo: true, logprobs: 3, max_tokens: 1, temperature: 0 }
        : { temperature: 0.9, seed: i, max_tokens: 3 + (i % 11), logprobs: 1 }),
    }))
    const alone = []
    for (const body of bodies) alone.push((await ask(body)).choices)
    const together = await Promise.all(bodies.map(body => ask(body)))
    assert.deepEqual(
      together.map(({ choices }) => choices),
      alone,
    )
  })

  const wrong: [body: object, status: number, param: string | null, message: RegExp][] = [
    [{}, 400, 'prompt', /^prompt is missing$/],
    [
      { prompt: 5 },
      400,
      'prompt',
      /^prompt: expected a text, a list of texts, token ids, or a list of lists of token ids$/,
    ],
    [{ prompt: ['a', 5] }, 400, 'prompt', /^prompt: expected/],
    [{ prompt: [] }, 400, 'prompt', /^prompt is empty$/],
    [
      { prompt: [[]], max_tokens: -1 },
      400,
      'max_tokens',
      /^max_tokens: expected a whole number of at least 0$/,
    ],
    [
      { prompt: [[1], [999_999]] },
      400,
      'prompt',
      /^prompt\[1\]: token 0 is 999999; ids of this model are 0 to 257/,
    ],
    [{ prompt: Array(101).fill('a') }, 400, 'prompt', /^prompt has 101 entries; a request may have 100$/],
    [{ prompt: 'a', max_token: 3 }, 400, 'max_token', /^unknown field max_token$/],
    [
      { prompt: 'a', temperature: 'hot' },
      400,
      'temperature',
      /^temperature: expected a number of at least 0$/,
    ],
    [
      { prompt: 'a', temperature: 1e9 },
      400,
      'temperature',
      /^temperature is 1000000000; expected a number from 0 to 1000$/,
    ],
    [{ prompt: 'a', top_p: 0 }, 400, 'top_p', /above 0/],
    [
      { prompt: 'a', presence_penalty: 3 },
      400,
      'presence_penalty',
      /^presence_penalty is 3; expected a number from -2 to 2$/,
    ],
    [{ prompt: 'a', logit_bias: { 5000: 1 } }, 400, 'logit_bias', /^logit_bias has 5000/],
    [{ prompt: 'a', stop: [''] }, 400, 'stop', /^stop holds ""/],
    [
      { prompt: 'a', stop: Array(65).fill('b') },
      400,
      'stop',
      /^stop: expected a text, or a list of up to 64/,
    ],
    [{ prompt: 'a', logprobs: 21 }, 400, 'logprobs', /^logprobs: expected 0 to 20$/],
    [{ prompt: 'a', n: 2, best_of: 3 }, 400, 'best_of', /^best_of: expected as many as n/],
    [{ prompt: 'a', suffix: 'b' }, 400, 'suffix', /^suffix: expected nothing/],
    [{ prompt: 'a', max_tokens: 0 }, 400, 'max_tokens', /nothing to answer/],
    [{ prompt: 'a', model: 'other' }, 404, 'model', /^there is no model "other"; this server has "tiny"$/],
    [
      { prompt: 'a'.repeat(3000) },
      400,
      'prompt',
      /^prompt\[0\]: 3001 tokens leave no room for 1 new; the context has 2048 positions. Shorten it$/,
    ],
    [
      { prompt: 'a'.repeat(3000), echo: true, logprobs: 1, max_tokens: 0 },
      400,
      'prompt',
      /the context has 2048 positions/,
    ],
  ]
  it('refuses', () =>
    withServer(async ({ url }) => {
      for (const [body, status, param, message] of wrong)
        for (const stream of [false, true]) {
          const found = await post(`${url}/v1/completions`, { ...body, stream })
          assert.equal(found.status, status, JSON.stringify(found.json))
          assert.match(found.json.error.message, message)
          assert.equal(found.json.error.param, param)
          assert.equal(found.json.error.type, 'invalid_request_error')
        }
    }))
})

const never = new AbortController().signal

/** What lm_eval/models/openai_completions.py makes of an answer. */
function asHarness(
  { token_logprobs, top_logprobs }: { token_logprobs: number[]; top_logprobs: Record<string, number>[] },
  context: number,
): [logLikelihood: number, isGreedy: boolean] {
  const own = token_logprobs.slice(context, -1)
  const top = top_logprobs.slice(context, -1)
  const isGreedy = own.every((logProb, i) => logProb === Math.max(...Object.values(top[i]!)))
  return [own.reduce((sum, logProb) => sum + logProb, 0), isGreedy]
}

function own({ continuations: [first] }: ScoreResult): [logLikelihood: number, isGreedy: boolean] {
  return [first!.logLikelihood, first!.isGreedy]
}
