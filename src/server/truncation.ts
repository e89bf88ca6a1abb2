// Cutting of texts that are too long, by the fields of vLLM and of Cohere.
import { inSlices } from '../calls/slices.ts'
import type { Text } from '../calls/text.ts'
import { HttpError } from './http-error.ts'
import { idsOf } from './prompts.ts'
import type { App, Call } from './route.ts'
import { maybe, Type } from './schema.ts'
import { decoded } from './token-texts.ts'

/**
 * `truncate_prompt_tokens` where a prompt holds more than the text of the request: it loses what is too much for the context
 * at its front. How many tokens of such a prompt a smaller number would leave, other servers do not agree on.
 */
export const truncateToContext = maybe(
  Type.Literal(-1, { description: '-1, which cuts what is too long for the context' }),
)

/** The option of the model's calls by that field. */
export function tooLongOption(field: -1 | null | undefined): { tooLong?: 'truncate-left' } {
  return field === -1 ? { tooLong: 'truncate-left' } : {}
}

/** `truncate_prompt_tokens`: so many tokens are kept, the last ones; -1 keeps as many as the context has. */
export const truncatePromptTokens = maybe(
  Type.Union([Type.Literal(-1), Type.Integer({ minimum: 1 })], {
    description: 'a whole number of at least 1, or -1 for as many as the context has',
  }),
)

/**
 * Keeps the last tokens of a prompt, and BOS before them where it was put before a text.
 * @throws 400 for more than the context has
 */
export function lastTokens(
  ids: Int32Array,
  prompt: Text,
  { model }: App,
  count: number | null | undefined,
): Int32Array {
  if (count == null) return ids
  const { contextLength, addBos, bosTokenId } = model.info
  if (count > contextLength)
    throw new HttpError(400, `truncate_prompt_tokens: the context has ${contextLength} positions`, {
      param: 'truncate_prompt_tokens',
    })
  const kept = count === -1 ? contextLength : count
  if (ids.length <= kept) return ids
  const last = ids.slice(ids.length - kept)
  if (typeof prompt === 'string' && addBos && ids[0] === bosTokenId) last[0] = ids[0]!
  return last
}

/** The beginning of a text, of no more tokens than `count`. @param index of the text, for messages */
export async function firstTokens(text: string, index: number, call: Call, count: number): Promise<string> {
  const ids = await idsOf(text, index, call, false)
  const { tokenizer } = call.app.model
  if (ids.length <= count || !tokenizer) return text
  const begin = await inSlices(decoded(tokenizer, ids.subarray(0, count)), call.signal)
  // The last token may end within a character.
  let length = 0
  while (length < begin.length && begin[length] === text[length]) length++
  return text.slice(0, length)
}
