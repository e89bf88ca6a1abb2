// Holds POST /v1/chat/completions to chat(), and to its own schema.
import assert from 'node:assert/strict'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { chatCompletions } from '../src/server/routes/chat-completions.ts'
import { checker } from '../src/server/schema.ts'
import { events, post, withServer } from './server-run.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { withTinyModel } from './tiny-model.ts'

const check = checker(chatCompletions.answer!)
const messages = [
  { role: 'system', content: 'You answer briefly.' },
  { role: 'user', content: 'What is the capital of France?' },
]
const path = shared('models', 'smollm2-135m', 'model-q4_1.gguf')

describe('POST /v1/chat/completions', () => {
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
  })

  it('gives the answers of chat(), whole and streamed, with the same log-probabilities', () =>
    withServer(
      async ({ url, model }) => {
        const address = `${url}/v1/chat/completions`
        for (const [fields, options] of [
          [{ temperature: 0 }, {}],
          [
            { temperature: 0.7, seed: 3, n: 2, stop: '.' },
            { temperature: 0.7, seed: 3, n: 2, stop: '.' },
          ],
        ] as const) {
          const own = await model.chat(messages, { ...options, maxTokens: 12, topLogProbs: 2 })
          const asked = { ...fields, messages, max_tokens: 12, logprobs: true, top_logprobs: 2 }
          const { status, json } = await post(address, asked)
          assert.equal(status, 200, JSON.stringify(json))
          check(json)
          const texts = own.choices ?? [own]
          for (const [i, { message, logprobs }] of json.choices.entries()) {
            assert.equal(message.content, texts[i]!.text)
            const { content } = logprobs
            assert.deepEqual(
              content.map(({ logprob }: { logprob: number }) => logprob),
              texts[i]!.logProbs,
            )
            const bytes = content.flatMap((token: { bytes: number[] }) => token.bytes)
            // With a stop, its tokens are told too.
            assert.ok(Buffer.from(bytes).toString().startsWith(message.content))
          }
          const all = await events(address, {
            ...asked,
            stream: true,
            stream_options: { include_usage: true },
          })
          assert.deepEqual(all.pop().usage, json.usage)
          for (const whole of json.choices) {
            const chunks = all
              .map(({ choices: [choice] }) => choice)
              .filter(({ index }) => index === whole.index)
            assert.deepEqual(chunks[0].delta, { role: 'assistant', content: '', refusal: null })
            assert.equal(chunks.map(({ delta }) => delta.content ?? '').join(''), whole.message.content)
            assert.equal(chunks.at(-1).finish_reason, whole.finish_reason)
            const content = chunks.flatMap(({ logprobs }) => logprobs?.content ?? [])
            assert.deepEqual(content, whole.logprobs.content)
          }
        }
      },
      { path },
    ))

  it('takes parts of text, the newer names, and answers until the model ends', () =>
    withServer(
      async ({ url, model }) => {
        const [system, user] = messages
        const { json } = await post(`${url}/v1/chat/completions`, {
          messages: [
            { ...system, role: 'developer' },
            {
              role: 'user',
              content: [
                { type: 'text', text: 'What is the capital ' },
                { type: 'text', text: 'of France?' },
              ],
            },
          ],
          temperature: 0,
          max_completion_tokens: 40,
        })
        const own = await model.chat([system!, user!], { maxTokens: 40 })
        assert.equal(json.choices[0].message.content, own.text)
        assert.equal(json.choices[0].finish_reason, own.finishReason)
      },
      { path },
    ))

  it('answers in JSON that a schema describes, or any object', () =>
    withServer(
      async ({ url }) => {
        const schema = {
          type: 'object',
          properties: { city: { type: 'string', maxLength: 20 }, sure: { type: 'boolean' } },
          required: ['city', 'sure'],
          additionalProperties: false,
        }
        const isValid = new Ajv2020().compile(schema)
        const asked = { messages, temperature: 1.5, seed: 5, n: 3, max_tokens: 120 }
        const format = { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } }
        const { status, json } = await post(`${url}/v1/chat/completions`, {
          ...asked,
          response_format: format,
        })
        assert.equal(status, 200, JSON.stringify(json))
        for (const { message, finish_reason } of json.choices) {
          assert.equal(finish_reason, 'stop')
          assert.ok(isValid(JSON.parse(message.content)), message.content)
        }
        const any = await post(`${url}/v1/chat/completions`, {
          ...{ messages, temperature: 0, max_tokens: 40, response_format: { type: 'json_object' } },
        })
        assert.match(any.json.choices[0].message.content, /^\{/)
        const wrong = {
          ...format,
          json_schema: { name: 'a', schema: { type: 'object', dependentRequired: {} } },
        }
        const refused = await post(`${url}/v1/chat/completions`, { messages, response_format: wrong })
        assert.equal(refused.status, 400)
        assert.match(refused.json.error.message, /^response_format: jsonSchema.*dependentRequired/)
      },
      { path },
    ))

  it('refuses', () =>
    withServer(
      async ({ url }) => {
        for (const [fields, param, message] of [
          [{}, 'messages', /^messages is missing$/],
          [{ messages: [] }, 'messages', /^messages: expected a list of/],
          [{ messages: [{ role: 'user' }] }, 'messages.0.content', /content is missing$/],
          [{ messages: 'hi' }, 'messages', /^messages: expected a list of/],
          [
            { messages: [{ role: 'user', content: 'far '.repeat(9000) }] },
            'messages',
            /^the conversation: \d+ tokens leave no room for 1 new/,
          ],
          [
            {
              messages,
              response_format: {
                type: 'json_schema',
                json_schema: { name: 'a', schema: { enum: Array(10_000).fill('word') } },
              },
            },
            'response_format',
            /^response_format: a schema may have 65536 characters$/,
          ],
          [{ messages, top_logprobs: 3 }, 'top_logprobs', /expected logprobs to be true/],
          [{ messages, tools: [{}] }, 'tools', /^unknown field tools$/],
          [{ messages, max_tokens: 0 }, 'max_tokens', /^max_tokens: expected a whole number of at least 1$/],
          [
            { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
            'messages.0.content.0.image_url',
            /^unknown field messages.0.content.0.image_url$/,
          ],
        ] as const) {
          const found = await post(`${url}/v1/chat/completions`, fields)
          assert.equal(found.status, 400)
          assert.match(found.json.error.message, message)
          assert.equal(found.json.error.param, param)
        }
      },
      { path },
    ))

  it('a checkpoint without a template says so, and no path', () =>
    withTinyModel({}, (_, dir) =>
      withServer(
        async ({ url }) => {
          const { status, json } = await post(`${url}/v1/chat/completions`, { messages })
          assert.equal(status, 400)
          assert.match(json.error.message, /^tiny has no chat template; POST \/v1\/completions/)
        },
        { path: dir },
      ),
    ))
})
