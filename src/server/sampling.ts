// How a request asks for new tokens: OpenAI's fields and those that vLLM adds, as options of generate().
import type { GenerateOptions } from '../generation/options.ts'
import { HttpError } from './http-error.ts'
import { maybe, oneOf, type Static, Type } from './schema.ts'
import { boolean, finite, text } from './schemas.ts'

/** The texts of a prompt, as OpenAI's API has it. */
const maxChoices = 128

/** OpenAI takes four. */
const maxStops = 64

export const samplingFields = {
  n: maybe(Type.Integer({ minimum: 1, maximum: maxChoices, description: `1 to ${maxChoices}` })),
  /** 0 takes the best token. The default is OpenAI's, 1. */
  temperature: maybe(Type.Number({ minimum: 0, description: 'a number of at least 0' })),
  top_p: maybe(Type.Number({ minimum: 0, maximum: 1, description: 'a number from 0 to 1' })),
  /** 0 and -1 take all. */
  top_k: maybe(Type.Integer({ minimum: -1, description: 'a whole number of at least -1' })),
  min_p: maybe(Type.Number({ minimum: 0, maximum: 1, description: 'a number from 0 to 1' })),
  // Each is looked for after each token.
  stop: maybe(
    oneOf(`a text, or a list of up to ${maxStops} texts`, [text, Type.Array(text, { maxItems: maxStops })]),
  ),
  seed: maybe(Type.Integer({ minimum: 0, description: 'a whole number of at least 0' })),
  presence_penalty: maybe(finite),
  frequency_penalty: maybe(finite),
  repetition_penalty: maybe(finite),
  logit_bias: maybe(Type.Record(Type.String(), finite, { description: 'an object of numbers by token ids' })),
  stream: maybe(boolean),
  stream_options: maybe(
    Type.Object({ include_usage: maybe(boolean) }, { description: 'an object with include_usage' }),
  ),
}

const fields = Type.Object(samplingFields)

/** null stands for what is left out. */
export type Sampling = Static<typeof fields>

/** The options, without maxTokens and n. */
export function samplingOptions(body: Sampling): GenerateOptions {
  const { top_k, logit_bias, stop } = body
  return {
    temperature: body.temperature ?? 1,
    ...(body.top_p != null && { topP: topP(body.top_p) }),
    ...(top_k != null && { topK: Math.max(0, top_k) }),
    ...(body.min_p != null && { minP: body.min_p }),
    ...(stop != null && stop.length > 0 && { stop }),
    ...(body.seed != null && { seed: body.seed }),
    ...(body.presence_penalty != null && { presencePenalty: body.presence_penalty }),
    ...(body.frequency_penalty != null && { frequencyPenalty: body.frequency_penalty }),
    ...(body.repetition_penalty != null && { repetitionPenalty: body.repetition_penalty }),
    ...(logit_bias != null && { logitBias: logit_bias }),
  }
}

/** Whether each token is the best one by the model itself. */
export function takesBest(body: Sampling): boolean {
  const { presence_penalty, frequency_penalty, repetition_penalty, logit_bias } = body
  const isOff = !presence_penalty && !frequency_penalty && (repetition_penalty ?? 1) === 1
  return body.temperature === 0 && isOff && Object.keys(logit_bias ?? {}).length === 0
}

function topP(value: number): number {
  if (value > 0) return value
  throw new HttpError(400, 'top_p: expected a number above 0, at most 1', { param: 'top_p' })
}
