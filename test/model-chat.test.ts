// Chat templates: the checkpoint's own as transformers renders it, and the released scripts' form.
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ChatMessage, renderChatTemplate, renderRelease } from '../src/chat/chat-template.ts'
import { loadModel, loadTokenizer } from '../src/index.ts'
import { withFolder, writeFiles } from './checkpoint-files.ts'
import { carried, shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { defaultModel, withTinyModel } from './tiny-model.ts'

const namedTokens = new Map([
  ['bos_token', '<s>'],
  ['eos_token', '</s>'],
])
const values = { namedTokens, addGenerationPrompt: true }
const hello = [{ role: 'user', content: 'Hello' }]

describe('chat templates', () => {
  it('have the special tokens, the flag and the functions that transformers gives them', () => {
    const source =
      "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] {{ message.content | trim }}{{ eos_token }}" +
      '{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}'
    assert.equal(renderChatTemplate(source, hello, values), '<s>[user] Hello</s>[assistant]')
    assert.equal(
      renderChatTemplate(source, hello, { ...values, addGenerationPrompt: false }),
      '<s>[user] Hello</s>',
    )
  })

  it('drop the line break after a block and the indent before it', () => {
    const source = '{% for message in messages %}\n  {% if true %}\nx\n  {% endif %}\n{% endfor %}\nend'
    assert.equal(renderChatTemplate(source, hello, values), 'x\nend')
  })

  it('may refuse a conversation', () => {
    assert.throws(() => renderChatTemplate("{{ raise_exception('roles must alternate') }}", hello, values), {
      code: 'CHAT_TEMPLATE',
      message: /^the checkpoint's chat template does not render these messages: .*roles must alternate/,
    })
    assert.throws(() => renderChatTemplate('{% if %}', hello, values), { code: 'CHAT_TEMPLATE' })
  })

  it('may write the date', () => {
    const now = new Date()
    const date = renderChatTemplate("{{ strftime_now('%d %b %Y') }}", hello, values)
    const month = now.toLocaleString('en-US', { month: 'short' })
    assert.equal(date, `${String(now.getDate()).padStart(2, '0')} ${month} ${now.getFullYear()}`)
  })

  it('of the release: no line breaks, and its system text unless there is one', () => {
    assert.equal(
      renderRelease(hello, true),
      'A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, ' +
        "and polite answers to the human's questions.### Human: Hello### Assistant:",
    )
    const talk = [{ role: 'system', content: 'S.' }, ...hello, { role: 'assistant', content: 'Hi' }]
    assert.equal(renderRelease(talk, false), 'S.### Human: Hello### Assistant: Hi')
    assert.throws(() => renderRelease([{ role: 'tool', content: '' }], true), {
      code: 'CHAT_TEMPLATE',
      message: /a message has role "tool"/,
    })
  })
})

describe('Model.chat()', () => {
  it('needs a template', async () => {
    await withTinyModel({}, tiny =>
      assert.rejects(tiny.chat(hello), {
        code: 'CHAT_TEMPLATE',
        message: /has no chat template; template 'release' takes the Human \/ Assistant form/,
      }),
    )
    await using model = await loadModel(defaultModel)
    const answer = await model.chat(hello, { template: 'release', maxTokens: 4 })
    const [same] = await model.generate([model.applyChatTemplate(hello, { template: 'release' })], {
      ...{ maxTokens: 4, stop: ['###'] },
    })
    assert.deepEqual(answer, same)
  })

  it('runs only what a turn adds, and answers as a model that has seen nothing', async () => {
    await using model = await loadModel(defaultModel)
    const options = { template: 'release', maxTokens: 12, temperature: 1.3, seed: 5, stopIds: [] } as const
    const messages: ChatMessage[] = [{ role: 'user', content: 'Tell me of the river, at some length.' }]
    for (let turn = 0; turn < 4; turn++) {
      let run = 0
      const answer = await model.chat(messages, {
        ...options,
        onProgress: ({ tokensDone }) => (run = tokensDone),
      })
      await using fresh = await loadModel(defaultModel)
      assert.deepEqual(answer, await fresh.chat(messages, options), `turn ${turn}`)
      const prompt = model.applyChatTemplate(messages, { template: 'release' })
      const tokens = model.tokenizer!.count(prompt) + answer.tokens.length
      if (turn > 0) assert.ok(run < tokens / 2, `turn ${turn} runs ${run} of ${tokens} tokens`)
      messages.push({ role: 'assistant', content: answer.text }, { role: 'user', content: 'And then?' })
    }
    // Another conversation beside it, streamed, and one that goes back to an earlier turn.
    const other: ChatMessage[] = [{ role: 'user', content: 'What is a mill?' }]
    const both = await Promise.all([model.chat(other, options), model.chat(messages.slice(0, 3), options)])
    await using fresh = await loadModel(defaultModel)
    assert.deepEqual(both, [
      await fresh.chat(other, options),
      await fresh.chat(messages.slice(0, 3), options),
    ])
  })

  it('keeps the messages of a session, and leaves out what was not answered', async () => {
    await using model = await loadModel(defaultModel)
    const options = { template: 'release', maxTokens: 8, stopIds: [] } as const
    const chat = model.chatSession({ ...options, system: 'Be brief.' })
    const start: ChatMessage[] = [{ role: 'system', content: 'Be brief.' }]
    assert.deepEqual(chat.messages, start)
    const asked = [...start, { role: 'user', content: 'Hello' }]
    const first = await chat.send('Hello')
    assert.deepEqual(first, await model.chat(asked, options))
    const answered = [...asked, { role: 'assistant', content: first.text }]
    assert.deepEqual(chat.messages, answered)

    await assert.rejects(chat.send('And?', { signal: AbortSignal.abort() }), { code: 'ABORTED' })
    await assert.rejects(chat.send('And?', { maxToken: 2 } as object), { code: 'INVALID_ARGUMENT' })
    for await (const _ of chat.sendStream('And?')) break
    const sent = chat.send('And?', { maxTokens: 3 })
    await assert.rejects(chat.send('Too early'), {
      code: 'INVALID_ARGUMENT',
      message: /^the answer before is still being made/,
    })
    const again = [...answered, { role: 'user', content: 'And?' }]
    assert.deepEqual(await sent, await model.chat(again, { ...options, maxTokens: 3 }))

    const before = chat.messages
    let text = ''
    for await (const piece of chat.sendStream('More')) text += piece
    assert.deepEqual(chat.messages, [
      ...before,
      { role: 'user', content: 'More' },
      { role: 'assistant', content: text },
    ])
    chat.messages[0]!.content = 'changed'
    assert.deepEqual(chat.messages[0], start[0])
    const late = chat.send('Late')
    chat.reset()
    assert.deepEqual(chat.messages, start)
    await late
    assert.deepEqual(chat.messages, start)
    assert.throws(() => model.chatSession({ system: 5 } as object), { code: 'INVALID_ARGUMENT' })
    assert.throws(() => model.chatSession({ sistem: 'x' } as object), { code: 'INVALID_ARGUMENT' })
  })

  it('refuses what is no conversation', async () => {
    await using model = await loadModel(defaultModel)
    const rows: [messages: unknown, found: string][] = [
      ['hi', 'messages is "hi"'],
      [[...hello, { role: 'user' }], 'message 1 is {"role":"user"}'],
      [['hi'], 'message 0 is "hi"'],
      [[{ role: 'user', content: 5n }], 'message 0 is {"role":"user","content":5n}'],
      [
        [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
        'message 0 has a list of parts as its content: join the texts of its parts, which is all that a LLaMA reads',
      ],
    ]
    for (const [messages, found] of rows)
      await assert.rejects(model.chat(messages as typeof hello), {
        code: 'INVALID_ARGUMENT',
        message: `${found}; expected an array of { role, content }`,
      })
  })

  it('answers as SmolLM2 was taught to, streamed or not', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    await using model = await loadModel(shared('models', 'smollm2-135m', 'model-q4_1.gguf'))
    assert.equal(
      model.applyChatTemplate(hello),
      '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' +
        '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n',
    )
    const question = [
      { role: 'user', content: 'What is the capital of France? Answer in one short sentence.' },
    ]
    const answer = await model.chat(question, { maxTokens: 40 })
    assert.match(answer.text, /Paris/)
    assert.equal(answer.finishReason, 'stop')
    let text = ''
    for await (const piece of model.chatStream(question, { maxTokens: 40 })) text += piece
    assert.equal(text, answer.text)
  })
})

describe('special tokens in chat templates', () => {
  // Made by bench/peers/chat_tokens.py. The tokenizer itself puts <s> before texts, whatever the files beside it name.
  interface Golden {
    tokenizer: object
    template: string
    rows: { config: object | null; map: object | null; text: string }[]
  }
  const golden: Golden = JSON.parse(readFileSync(carried('chat', 'tokens.json'), 'utf8'))
  for (const { config, map, text } of golden.rows)
    it(`are ${text} as transformers has it, with ${JSON.stringify(config)} and ${JSON.stringify(map)}`, () =>
      withFolder(async dir => {
        writeFiles(dir, {
          'tokenizer.json': golden.tokenizer,
          ...(config && { 'tokenizer_config.json': config }),
          ...(map && { 'special_tokens_map.json': map }),
        })
        const path = (name: string) => join(dir, name)
        const { namedTokens } = await loadTokenizer({
          kind: 'tokenizer.json',
          file: path('tokenizer.json'),
          configFile: config ? path('tokenizer_config.json') : undefined,
          specialTokensFile: map ? path('special_tokens_map.json') : undefined,
        })
        assert.equal(renderChatTemplate(golden.template, hello, { ...values, namedTokens }), text)
      }))
})
