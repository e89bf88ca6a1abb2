// POST /v1/chat/completions, as OpenAI's API has it (platform.openai.com/docs/api-reference/chat), by the checkpoint's chat template.
import type { ChatMessage } from '../../chat/chat-template.ts'
import type { Constraint } from '../../generation/constraint/option.ts'
import type { GeneratedText } from '../../generation/options.ts'
import type { Model } from '../../model.ts'
import type { Alternative } from '../../scoring/request.ts'
import { tokensOf } from '../admission.ts'
import { answerHead, textUsage } from '../answer-fields.ts'
import { finishOf, generateTexts, growing, type OnText, type SoFar } from '../generation.ts'
import { HttpError } from '../http-error.ts'
import { checkModel, promptIds } from '../prompts.ts'
import { type Answer, type Call, post } from '../route.ts'
import { samplingFields } from '../sampling.ts'
import { maybe, object, oneOf, type Static, Type } from '../schema.ts'
import { boolean, common, count, nullable, text, usage } from '../schemas.ts'
import { eventStream } from '../sse.ts'
import { tokenBytes, tokenText } from '../token-texts.ts'
import { maxLogprobs } from './completions.ts'

const part = object({ type: Type.Literal('text'), text })
const responseFormat = oneOf(
  '{"type": "text"}, {"type": "json_object"}, or {"type": "json_schema", "json_schema": {"name": ..., "schema": ...}}',
  [
    object({ type: Type.Union([Type.Literal('text'), Type.Literal('json_object')]) }),
    object({
      type: Type.Literal('json_schema'),
      json_schema: object({
        name: Type.String(),
        description: maybe(Type.String()),
        schema: Type.Unknown(),
        /** Answers keep to the schema in any case. */
        strict: maybe(boolean),
      }),
    }),
  ],
)
const message = object({
  role: text,
  content: oneOf('a text, or a list of {"type": "text", "text": ...}', [text, Type.Array(part)]),
  name: maybe(text),
  refusal: maybe(text),
})
const body = object({
  ...common,
  messages: Type.Array(message, { minItems: 1, description: 'a list of {"role": ..., "content": ...}' }),
  /** As many as the context has room for, if neither is there. */
  max_completion_tokens: maybe(Type.Integer({ minimum: 1, description: 'a whole number of at least 1' })),
  max_tokens: maybe(Type.Integer({ minimum: 1, description: 'a whole number of at least 1' })),
  logprobs: maybe(boolean),
  top_logprobs: maybe(Type.Integer({ minimum: 0, maximum: maxLogprobs, description: `0 to ${maxLogprobs}` })),
  response_format: maybe(responseFormat),
  ...samplingFields,
})
type Body = Static<typeof body>

const likely = { token: Type.String(), logprob: Type.Number(), bytes: nullable(Type.Array(count)) }
const logprobs = object({
  content: Type.Array(object({ ...likely, top_logprobs: Type.Array(object(likely)) })),
  refusal: Type.Null(),
})
type Logprobs = Static<typeof logprobs>

export const chatCompletions = post({
  path: '/v1/chat/completions',
  summary: 'Answers to a conversation',
  body,
  answer: object({
    id: Type.String(),
    object: Type.Literal('chat.completion'),
    created: count,
    model: Type.String(),
    choices: Type.Array(
      object({
        index: count,
        message: object({ role: Type.Literal('assistant'), content: Type.String(), refusal: Type.Null() }),
        logprobs: nullable(logprobs),
        finish_reason: Type.Union([Type.Literal('stop'), Type.Literal('length')]),
      }),
    ),
    usage,
  }),
  types: ['text/event-stream'],
  subject: { field: 'messages', word: 'the conversation' },
  handle: complete,
})

async function complete(body: Body, call: Call): Promise<Answer> {
  const { app } = call
  checkModel(app, body.model)
  const { model } = app
  if (!model.info.hasChatTemplate)
    throw new HttpError(
      400,
      `${app.modelName} has no chat template; POST /v1/completions takes prompts as they are`,
      {
        code: 'no_chat_template',
      },
    )
  if (body.top_logprobs != null && !body.logprobs)
    throw new HttpError(400, 'top_logprobs: expected logprobs to be true with it', { param: 'top_logprobs' })
  checkSchema(body.response_format)
  const prompt = model.applyChatTemplate(body.messages.map(plainMessage))
  // The template writes BOS itself.
  const [ids] = await promptIds([prompt], call, false)
  const room = Math.max(1, model.info.contextLength - ids!.length)
  const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? room
  const tokens = tokensOf(ids!.length, body.n ?? 1, Math.min(maxTokens, room), body.top_logprobs ?? 0)
  const answer = new ChatAnswer(body, call, ids!, maxTokens)
  call.enter(tokens)
  return body.stream ? eventStream(answer.stream()) : { json: await answer.whole() }
}

/** OpenAI's newer name of the system's role is one that templates do not know. */
function plainMessage({ role, content }: Body['messages'][number]): ChatMessage {
  return {
    role: role === 'developer' ? 'system' : role,
    content: typeof content === 'string' ? content : content.map(({ text }) => text).join(''),
  }
}

/** Characters of a schema: reading one holds the event loop up, by up to a second for so many. */
const maxSchema = 1 << 16

/** @throws 400 */
function checkSchema(format: Body['response_format']): void {
  if (format?.type !== 'json_schema' || lengthOf(format.json_schema.schema) <= maxSchema) return
  throw new HttpError(400, `response_format: a schema may have ${maxSchema} characters`, {
    param: 'response_format',
  })
}

/** As JSON. What lies too deep to be written has no end. */
function lengthOf(schema: unknown): number {
  try {
    return JSON.stringify(schema).length
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

function constraintOf(format: Body['response_format']): Constraint | undefined {
  switch (format?.type) {
    case 'json_object':
      return { jsonSchema: { type: 'object' } }
    case 'json_schema':
      return { jsonSchema: format.json_schema.schema as object }
    default:
      return undefined
  }
}

class ChatAnswer {
  private readonly body: Body
  private readonly call: Call
  private readonly model: Model
  private readonly ids: Int32Array
  private readonly maxTokens: number
  private readonly head: object

  constructor(body: Body, call: Call, ids: Int32Array, maxTokens: number) {
    this.body = body
    this.call = call
    this.model = call.app.model
    this.ids = ids
    this.maxTokens = maxTokens
    this.head = answerHead(call, 'chatcmpl', body.stream ? 'chat.completion.chunk' : 'chat.completion')
  }

  async whole(): Promise<object> {
    const texts = await this.texts()
    const choices = texts.map((text, index) => ({
      index,
      message: { role: 'assistant', content: text.text, refusal: null },
      logprobs: this.logprobs(text),
      finish_reason: finishOf(text),
    }))
    return { ...this.head, choices, usage: this.usage(texts) }
  }

  async *stream(): AsyncGenerator<object, void, undefined> {
    const { growths, ended } = growing(onText => this.texts(onText))
    const begun = new Set<number>()
    for await (const { index, piece, part, finish } of growths) {
      this.call.firstToken()
      if (!begun.has(index)) {
        const delta = { role: 'assistant', content: '', refusal: null }
        yield this.chunk([{ index, delta, logprobs: null, finish_reason: null }], null)
        begun.add(index)
      }
      const delta = piece === '' ? {} : { content: piece }
      yield this.chunk([{ index, delta, logprobs: this.logprobs(part), finish_reason: finish }], null)
    }
    const used = this.usage(await ended)
    if (this.body.stream_options?.include_usage) yield this.chunk([], used)
  }

  /** @param usage null where it is still to come */
  private chunk(choices: object[], usage: object | null): object {
    const withUsage = this.body.stream_options?.include_usage ? { usage } : {}
    return { ...this.head, choices, ...withUsage }
  }

  private texts(onText?: OnText): Promise<GeneratedText[]> {
    const { body: sampling, call, maxTokens, model } = this
    const constraint = constraintOf(sampling.response_format)
    const topLogProbs = sampling.top_logprobs ?? 0
    return generateTexts(
      model,
      [this.ids],
      { sampling, maxTokens, topLogProbs, constraint, keepsRows: true, call },
      onText ?? this.call.firstToken,
    )
  }

  /** null where they are not asked for. */
  private logprobs({ tokens, logProbs, topAlternatives }: SoFar): Logprobs | null {
    if (!this.body.logprobs) return null
    const content = tokens.map((token, i) => ({
      ...this.likely({ token, logProb: logProbs[i]! }),
      top_logprobs: (topAlternatives?.[i] ?? []).map(one => this.likely(one)),
    }))
    return { content, refusal: null }
  }

  private likely({ token, logProb }: Alternative): {
    token: string
    logprob: number
    bytes: number[] | null
  } {
    const { tokenizer } = this.model
    const bytes = tokenizer ? [...tokenBytes(tokenizer, token)] : null
    return { token: tokenText(this.model, token), logprob: logProb, bytes }
  }

  private usage(texts: readonly GeneratedText[]): Static<typeof usage> {
    return textUsage(this.call, this.ids.length, texts)
  }
}
