// What answers begin and end with: new texts as OpenAI's API has it, lists with the fields that vLLM adds (its
// vllm/entrypoints/pooling: EmbeddingResponse, ScoreResponse, ClassificationResponse).
import { sum } from './prompts.ts'
import type { Call } from './route.ts'
import { type Static, Type } from './schema.ts'
import { count, type usage } from './schemas.ts'

export const listFields = {
  id: Type.String(),
  object: Type.Literal('list'),
  /** Seconds since 1970. */
  created: count,
  model: Type.String(),
}

/** @param kind of the answer, which its id begins with. @param object what the answer is called */
export function answerHead<Name extends string>({ id, app }: Call, kind: string, object: Name) {
  const created = Math.floor(Date.now() / 1000)
  return { id: `${kind}-${id}`, object, created, model: app.modelName }
}

export function listHead(call: Call, kind: string) {
  return answerHead(call, kind, 'list')
}

/** The usage of a request that has no new tokens; the log has it too. */
export function promptUsage({ counted }: Call, tokens: number): Static<typeof usage> {
  counted.promptTokens = tokens
  return { prompt_tokens: tokens, completion_tokens: 0, total_tokens: tokens }
}

/** The usage of a request for new texts; the log has it too. */
export function textUsage(
  { counted }: Call,
  prompts: number,
  texts: readonly { tokens: readonly number[] }[],
): Static<typeof usage> {
  const completions = sum(texts.map(({ tokens }) => tokens.length))
  Object.assign(counted, { promptTokens: prompts, completionTokens: completions })
  return { prompt_tokens: prompts, completion_tokens: completions, total_tokens: prompts + completions }
}
