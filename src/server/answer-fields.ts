// What answers that are lists begin and end with, as OpenAI's API has it with the fields that vLLM adds (its
// vllm/entrypoints/pooling: EmbeddingResponse, ScoreResponse, ClassificationResponse).
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

/** @param kind of the answer, which its id begins with */
export function listHead({ id, app }: Call, kind: string) {
  return {
    ...{ id: `${kind}-${id}`, object: 'list', created: Math.floor(Date.now() / 1000) },
    model: app.modelName,
  }
}

/** The usage of a request that has no new tokens; the log has it too. */
export function promptUsage({ counted }: Call, tokens: number): Static<typeof usage> {
  counted.promptTokens = tokens
  return { prompt_tokens: tokens, completion_tokens: 0, total_tokens: tokens }
}
