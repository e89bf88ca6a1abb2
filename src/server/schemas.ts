// Pieces of bodies and answers that several routes have.
import { maybe, object, oneOf, Type } from './schema.ts'

const tokenId = Type.Integer({ minimum: 0, description: 'a token id' })
export const ids = Type.Array(tokenId, { description: 'a list of token ids' })

export const text = Type.String({ description: 'a text' })
export const words = Type.String({ minLength: 1, description: 'a text that is not empty' })
export const texts = oneOf('a text, or a list of texts', [text, Type.Array(text)])
export const prompts = oneOf('a text, a list of texts, token ids, or a list of lists of token ids', [
  text,
  Type.Array(text),
  ids,
  Type.Array(ids),
])
export const prompt = oneOf('a text or token ids', [text, ids])
export const boolean = Type.Boolean({ description: 'true or false' })
export const finite = Type.Number({ description: 'a number' })
export const count = Type.Integer({ minimum: 0, description: 'a whole number of at least 0' })

/** Fields that every request may have. */
export const common = {
  /** The name of the model; it is checked where it is there. */
  model: maybe(text),
  // Clients send these, and nothing depends on them.
  user: maybe(text),
  metadata: maybe(Type.Unknown()),
  store: maybe(boolean),
  service_tier: maybe(text),
}

/** How a text of a request becomes ids. */
export const encoding = {
  /** Put BOS before texts where the tokenizer does so by itself. */
  add_special_tokens: maybe(boolean),
}

export const usage = object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
})

export const errorBody = object({
  error: object({
    message: Type.String(),
    type: Type.String(),
    param: Type.Union([Type.String(), Type.Null()]),
    code: Type.Union([Type.String(), Type.Null()]),
  }),
})

export function nullable<Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) {
  return Type.Union([schema, Type.Null()])
}
