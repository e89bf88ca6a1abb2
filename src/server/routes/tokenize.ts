// POST /tokenize, as vLLM has it (vllm/entrypoints/serve/tokenize/protocol.py: prompt or messages, add_special_tokens,
// add_generation_prompt, return_token_strs; count, max_model_len, tokens, token_strs).
import { inSlices, type Slices, sliceItems } from '../../calls/slices.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import { HttpError, onField } from '../http-error.ts'
import { checkModel } from '../prompts.ts'
import { type Answer, type App, type Call, post } from '../route.ts'
import { maybe, object, type Static, Type } from '../schema.ts'
import { boolean, common, count, nullable, text } from '../schemas.ts'
import { tokenizerOf } from '../tokenizer-of.ts'

const body = object({
  ...common,
  /** This, or messages. */
  prompt: maybe(text),
  /** A conversation, which the checkpoint's chat template makes a prompt of. */
  messages: maybe(
    Type.Array(object({ role: text, content: text }), { description: 'a list of {role, content}' }),
  ),
  /** End messages with the beginning of an answer. Default: true. */
  add_generation_prompt: maybe(boolean),
  /** Put BOS first where the tokenizer does so by itself. Default: true with a prompt, false with messages, whose template writes it. */
  add_special_tokens: maybe(boolean),
  /** Default: false. */
  return_token_strs: maybe(boolean),
})
type Body = Static<typeof body>

export const tokenize = post({
  path: '/tokenize',
  summary: 'The token ids of a text or of a conversation',
  body,
  answer: object({
    count,
    max_model_len: count,
    tokens: Type.Array(count),
    /** As the vocabulary has them, with marks for spaces and bytes. */
    token_strs: nullable(Type.Array(Type.String())),
  }),
  handle: answer,
})

async function answer(body: Body, { app, signal }: Call): Promise<Answer> {
  const { model } = app
  checkModel(app, body.model)
  const param = body.messages == null ? 'prompt' : 'messages'
  const { tokens, tokenizer } = await onField(param, async () => {
    const prompt = promptOf(body, app)
    const adds = body.add_special_tokens ?? body.messages == null
    const settings = { addBos: adds ? undefined : false, parseSpecial: true }
    const ids = await model.promptIds(prompt, 0, settings, signal)
    return { tokens: [...ids], tokenizer: tokenizerOf(app) }
  })
  const token_strs = body.return_token_strs ? await inSlices(spelt(tokenizer, tokens), signal) : null
  return {
    json: { count: tokens.length, max_model_len: model.info.contextLength, tokens, token_strs },
  }
}

function* spelt(tokenizer: Tokenizer, ids: readonly number[]): Slices<string[]> {
  const texts: string[] = []
  for (const id of ids) {
    texts.push(tokenizer.tokenText(id))
    if (texts.length % sliceItems === 0) yield
  }
  return texts
}

/** @throws 400 for none or two */
function promptOf({ prompt, messages, add_generation_prompt }: Body, { model }: App): string {
  if (messages != null && prompt != null)
    throw new HttpError(400, 'messages are there beside a prompt; leave one of them out', {
      param: 'messages',
    })
  if (messages != null && !model.info.hasChatTemplate)
    throw new HttpError(400, 'the checkpoint has no chat template; give a prompt', {
      ...{ param: 'messages', code: 'chat_template' },
    })
  if (messages != null)
    return model.applyChatTemplate(messages, { addGenerationPrompt: add_generation_prompt ?? true })
  if (prompt == null)
    throw new HttpError(400, 'prompt is missing, or messages', { param: 'prompt', code: 'missing_field' })
  if (add_generation_prompt == null) return prompt
  throw new HttpError(400, 'add_generation_prompt belongs to messages', { param: 'add_generation_prompt' })
}
