// The server as OpenAI's own client for Node sees it: models, completions, chat, streams, errors, aborts.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI, {
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  NotFoundError,
  RateLimitError,
} from 'openai'
import type { Model } from '../src/index.ts'
import { limits, metric, withServer } from './server-run.ts'

const greedy = { model: 'tiny', temperature: 0 } as const
const question = [{ role: 'user', content: 'How far is it?' }] as const

function withClient<T>(
  body: (client: OpenAI, model: Model, url: string) => Promise<T>,
  options: Parameters<typeof withServer>[1] = {},
): Promise<T> {
  return withServer(({ url, model }) => body(clientOf(url), model, url), options)
}

function clientOf(url: string, apiKey = 'none'): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 })
}

describe("OpenAI's client", () => {
  it('finds the model, in the list and by its name', () =>
    withClient(
      async (client, model) => {
        const { data } = await client.models.list()
        assert.deepEqual(
          data.map(({ id }) => id),
          ['org/tiny'],
        )
        const found = await client.models.retrieve('org/tiny')
        assert.deepEqual(found, { ...data[0], max_model_len: model.info.contextLength })
        await assert.rejects(client.models.retrieve('gpt-4'), NotFoundError)
      },
      { modelName: 'org/tiny' },
    ))

  describe('completions', () => {
    it('are what generate() gives, whole and streamed', () =>
      withClient(async (client, model) => {
        const prompts = ['Once upon', 'The sea']
        const own = await model.generate(prompts, { maxTokens: 24 })
        const asked = { ...greedy, prompt: prompts, max_tokens: 24 }
        const { choices, usage } = await client.completions.create(asked)
        assert.deepEqual(
          choices.map(({ text, index, finish_reason }) => ({ text, index, finish_reason })),
          own.map(({ text, finishReason }, index) => ({ text, index, finish_reason: finishReason })),
        )
        const stream = await client.completions.create({
          ...asked,
          ...{ stream: true, stream_options: { include_usage: true } },
        })
        const texts = ['', '']
        let last: typeof usage | null
        for await (const { choices, usage } of stream) {
          for (const { index, text } of choices) texts[index] += text
          last = usage ?? null
        }
        assert.deepEqual([texts, last!], [own.map(({ text }) => text), usage])
        assert.equal(usage!.completion_tokens, own[0]!.tokens.length + own[1]!.tokens.length)
      }))

    it('with echo give the log-probabilities that score() gives', () =>
      withClient(async (client, model) => {
        const prompt = 'The sea is wide'
        const { choices } = await client.completions.create({
          ...{ ...greedy, prompt, max_tokens: 1, echo: true, logprobs: 2 },
        })
        const { tokens, token_logprobs, top_logprobs, text_offset } = choices[0]!.logprobs!
        // The embedded model has a token for each byte, and BOS before texts, which is not listed.
        const [own] = await model.score([{ prompt: '', continuations: [prompt] }], { topK: 2 })
        const { tokenLogProbs, topAlternatives } = own!.continuations[0]!
        assert.deepEqual(token_logprobs!.slice(0, -1), [null, ...tokenLogProbs.slice(1)])
        assert.deepEqual([tokens!.length, tokens!.slice(0, -1).join('')], [prompt.length + 1, prompt])
        assert.deepEqual(text_offset, Array.from(tokens!.keys()))
        for (const [i, best] of topAlternatives!.entries())
          if (i > 0) assert.equal(Math.max(...Object.values(top_logprobs![i]!)), best[0]!.logProb)
      }))

    it('with n sample as many texts, which the seed decides', () =>
      withClient(async client => {
        const asked = { model: 'tiny', prompt: 'The sea', n: 3, seed: 7, temperature: 1, max_tokens: 12 }
        const texts = async () => (await client.completions.create(asked)).choices.map(({ text }) => text)
        const first = await texts()
        assert.equal(new Set(first).size, 3)
        assert.deepEqual(await texts(), first)
      }))
  })

  describe('chat', () => {
    it('is what the chat template and generate() give, whole and streamed', () =>
      withClient(async (client, model) => {
        const prompt = model.applyChatTemplate([...question])
        const [own] = await model.generate([prompt], { maxTokens: 24, addBos: false })
        const asked = { ...greedy, messages: [...question], max_completion_tokens: 24 }
        const { choices } = await client.chat.completions.create(asked)
        assert.equal(choices[0]!.message.content, own!.text)
        const stream = client.chat.completions.stream(asked)
        const pieces: string[] = []
        stream.on('content', piece => pieces.push(piece))
        assert.equal(await stream.finalContent(), own!.text)
        assert.equal(pieces.join(''), own!.text)
      }))

    it('takes parts of a text, the role of a developer, and asks for log-probabilities', () =>
      withClient(async client => {
        const create = (
          content: OpenAI.ChatCompletionUserMessageParam['content'],
          role: 'system' | 'developer',
        ) =>
          client.chat.completions.create({
            ...greedy,
            messages: [
              { role, content: 'Be brief.' },
              { role: 'user', content },
            ],
            ...{ max_tokens: 4, logprobs: true, top_logprobs: 2 },
          })
        const whole = await create('How far?', 'system')
        const parts = await create(
          [
            { type: 'text', text: 'How ' },
            { type: 'text', text: 'far?' },
          ],
          'developer',
        )
        assert.deepEqual(parts.choices, whole.choices)
        const { content } = whole.choices[0]!.logprobs!
        assert.equal(content!.length, whole.usage!.completion_tokens)
        for (const { logprob, top_logprobs } of content!) assert.equal(top_logprobs[0]!.logprob, logprob)
      }))
  })

  describe('errors', () => {
    it('name the field and the code', () =>
      withClient(async client => {
        const create = (fields: object) =>
          client.completions.create({ ...greedy, prompt: 'x', ...fields } as never)
        await assert.rejects(create({ model: 'gpt-4' }), error => {
          assert.ok(error instanceof NotFoundError)
          assert.deepEqual([error.code, error.param], ['model_not_found', 'model'])
          return true
        })
        await assert.rejects(create({ temperature: -1 }), error => {
          assert.ok(error instanceof BadRequestError)
          assert.deepEqual([error.param, error.type], ['temperature', 'invalid_request_error'])
          assert.match(error.message, /temperature: expected a number of at least 0/)
          return true
        })
        await assert.rejects(create({ prompt: 'far '.repeat(1000) }), { code: 'context_length_exceeded' })
        await assert.rejects(create({ reasoning: true }), { code: 'unknown_field', param: 'reasoning' })
        const messages = [{ role: 'assistant', content: null }]
        await assert.rejects(client.chat.completions.create({ ...greedy, messages } as never), {
          param: 'messages.0.content',
          message: /expected a text, or a list of/,
        })
      }))

    it('reach a client that still sends a body over the limit', () =>
      withClient(async client => {
        const asked = { ...greedy, prompt: 'x'.repeat(20_000_000) }
        await assert.rejects(client.completions.create(asked), { status: 413 })
      }))

    it('come before the first event of a stream', () =>
      withClient(async client => {
        const asked = { ...greedy, prompt: 'far '.repeat(1000), stream: true } as const
        await assert.rejects(client.completions.create(asked), BadRequestError)
      }))

    it('are 401 without the key', () =>
      withServer(
        async ({ url }) => {
          await assert.rejects(clientOf(url, 'wrong').models.list(), AuthenticationError)
          assert.equal((await clientOf(url, 'secret').models.list()).data.length, 1)
        },
        { apiKeys: ['secret'] },
      ))

    it('are 429 with a time to wait where the queue is full', () =>
      withClient(
        async client => {
          const asked = { ...greedy, prompt: 'The sea', max_tokens: 1500 }
          const answers = await Promise.allSettled([1, 2].map(() => client.completions.create(asked)))
          const failed = answers.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
          assert.equal(failed.length, 1)
          const { reason } = failed[0]!
          assert.ok(reason instanceof RateLimitError)
          assert.match(reason.headers.get('retry-after')!, /^[1-9]\d*$/)
        },
        { limits: { ...limits, queueTokens: 600 } },
      ))

    it('are not due to tokens that no context has room for', () =>
      withClient(
        async client => {
          const asked = { ...greedy, prompt: 'The sea', max_tokens: 10 ** 9, stop: [' ', 'e', 'a'] }
          const [first] = await Promise.all([1, 2].map(() => client.completions.create(asked)))
          assert.ok(first!.choices[0]!.finish_reason)
        },
        { limits: { ...limits, queueTokens: 1100 } },
      ))
  })

  it('ends the work of a stream that it leaves, and of one that it aborts', () =>
    withClient(async (client, _, url) => {
      const asked = { ...greedy, prompt: 'The sea', max_tokens: 1900, stream: true } as const
      const left = await client.completions.create(asked)
      for await (const _ of left) break
      await isIdle(url)
      const control = new AbortController()
      const aborted = await client.completions.create(asked, { signal: control.signal })
      const read = async () => {
        for await (const _ of aborted) control.abort()
      }
      // A stream that is aborted as it is read ends, or fails with this.
      await read().catch(error => assert.ok(error instanceof APIUserAbortError))
      await isIdle(url)
      assert.equal(
        (await client.completions.create({ ...greedy, prompt: 'x', max_tokens: 2 })).choices.length,
        1,
      )
    }))
})

/** Until no tokens of a request wait or run. */
async function isIdle(url: string): Promise<void> {
  while ((await metric(url, 'mt_llama_queue_tokens')) > 0) await sleep(20)
}
