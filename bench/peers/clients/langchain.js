// LangChain.js: OpenAI (completions) and ChatOpenAI, whole, in batches, streamed, with an error and an abort.
import { ChatOpenAI, OpenAI } from '@langchain/openai'
import { expect, failure, model, noEnd, run, url } from './checks.js'

const settings = {
  ...{ model, temperature: 0, maxTokens: 16, maxRetries: 0, apiKey: 'none' },
  configuration: { baseURL: `${url}/v1` },
}
const prompt = 'The capital of France is'

await run({
  'OpenAI: invoke': async () => {
    const text = await new OpenAI(settings).invoke(prompt)
    expect(text !== '', text)
    return text
  },
  'OpenAI: batch': async () => {
    const llm = new OpenAI({ ...settings, batchSize: 2 })
    const texts = await llm.batch([prompt, 'One, two,', 'The sea is'])
    expect(texts[0] === (await llm.invoke(prompt)) && texts.length === 3, texts)
  },
  'OpenAI: stream': async () => {
    const llm = new OpenAI(settings)
    let text = ''
    for await (const piece of await llm.stream(prompt)) text += piece
    expect(text === (await llm.invoke(prompt)), text)
  },
  'ChatOpenAI: invoke, stream': async () => {
    const chat = new ChatOpenAI(settings)
    const { content, usage_metadata } = await chat.invoke('Name a colour.')
    let text = ''
    for await (const piece of await chat.stream('Name a colour.')) text += piece.content
    expect(text === content && usage_metadata.output_tokens > 0, { text, content })
    return content
  },
  'an error': async () => {
    const error = await failure(new OpenAI({ ...settings, model: 'another' }).invoke(prompt))
    expect(error.status === 404, error)
  },
  abort: async () => {
    const control = new AbortController()
    const endless = new OpenAI({ ...settings, maxTokens: 4000, logitBias: noEnd })
    const long = endless.invoke(prompt, { signal: control.signal })
    setTimeout(() => control.abort(), 300)
    const error = await failure(long)
    return error.message
  },
})
