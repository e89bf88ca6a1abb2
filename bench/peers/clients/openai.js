// OpenAI's client for Node: models, completions, chat, streams, errors, aborts (run by bench/serve/clients.ts).
import OpenAI from 'openai'
import { expect, failure, model, noEnd, run, url } from './checks.js'

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
const greedy = { model, temperature: 0, max_tokens: 16 }
const prompt = 'The capital of France is'
const messages = [{ role: 'user', content: 'Name a colour.' }]

await run({
  'models.list, models.retrieve': async () => {
    const { data } = await client.models.list()
    const { id } = await client.models.retrieve(model)
    expect(data.length === 1 && data[0].id === id, data)
    return id
  },
  'completions.create': async () => {
    const { choices, usage } = await client.completions.create({ ...greedy, prompt })
    expect(usage.completion_tokens <= 16 && choices[0].text !== '', usage)
    return choices[0].text
  },
  'completions.create, stream': async () => {
    const whole = await client.completions.create({ ...greedy, prompt: [prompt, 'One, two,'] })
    const stream = await client.completions.create({ ...greedy, prompt: [prompt, 'One, two,'], stream: true })
    const texts = ['', '']
    for await (const { choices } of stream) for (const { index, text } of choices) texts[index] += text
    expect(
      texts.every((text, i) => text === whole.choices[i].text),
      texts,
    )
  },
  'completions.create, echo and logprobs': async () => {
    const asked = { ...greedy, prompt, echo: true, logprobs: 3, max_tokens: 1 }
    const { choices } = await client.completions.create(asked)
    const { tokens, token_logprobs } = choices[0].logprobs
    expect(tokens.join('') === choices[0].text && tokens.length === token_logprobs.length, tokens)
    return `${tokens.length} tokens`
  },
  'chat.completions.create': async () => {
    const { choices } = await client.chat.completions.create({ ...greedy, messages })
    expect(choices[0].message.content !== '', choices)
    return choices[0].message.content
  },
  'chat.completions.stream': async () => {
    const { choices } = await client.chat.completions.create({ ...greedy, messages })
    const found = await client.chat.completions.stream({ ...greedy, messages }).finalContent()
    expect(found === choices[0].message.content, found)
  },
  'NotFoundError, BadRequestError': async () => {
    const missing = await failure(client.completions.create({ ...greedy, prompt, model: 'gpt-4' }))
    const wrong = await failure(client.completions.create({ ...greedy, prompt, top_p: 2 }))
    expect(missing instanceof OpenAI.NotFoundError && wrong instanceof OpenAI.BadRequestError, [
      missing,
      wrong,
    ])
    return `${missing.code}; ${wrong.param}`
  },
  'a body over the limit': async () => {
    const large = await failure(client.completions.create({ ...greedy, prompt: 'x'.repeat(20_000_000) }))
    expect(large.status === 413, large)
  },
  abort: async () => {
    const control = new AbortController()
    const asked = client.completions.create(
      { ...greedy, prompt, max_tokens: 4000, logit_bias: noEnd },
      { signal: control.signal },
    )
    setTimeout(() => control.abort(), 300)
    const error = await failure(asked)
    expect(error instanceof OpenAI.APIUserAbortError, error)
    await client.completions.create({ ...greedy, prompt, max_tokens: 1 })
  },
})
