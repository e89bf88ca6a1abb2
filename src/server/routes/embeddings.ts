// POST /v1/embeddings, as OpenAI's API has it (platform.openai.com/docs/api-reference/embeddings): `input`,
// `encoding_format`, of which 'base64' is the bytes of little-endian float32 numbers that OpenAI's Python client asks for,
// `dimensions`. `add_special_tokens`, `id` and `created` are vLLM's (vllm/entrypoints/pooling/base/protocol.py and
// embed/protocol.py), as `truncate_prompt_tokens` is, and `normalize` was until it was called use_activation there. A
// vector is the mean of the final hidden states of all tokens, BOS among them.
import { notFiniteCause } from '../../calls/not-finite.ts'
import type { EmbedResult } from '../../embedding/options.ts'
import { MtLlamaError, message } from '../../errors.ts'
import { listFields, listHead, promptUsage } from '../answer-fields.ts'
import { HttpError, onField } from '../http-error.ts'
import { checkModel, promptIds, promptList, sum } from '../prompts.ts'
import { type Answer, type App, type Call, post } from '../route.ts'
import { maybe, object, oneOf, type Static, Type } from '../schema.ts'
import { boolean, common, count, encoding, prompts, usage } from '../schemas.ts'
import { lastTokens, truncatePromptTokens } from '../truncation.ts'

/** Numbers of a vector that count as a token does in the queue: their memory has a bound by that. */
const numbersPerToken = 32

const body = object({
  ...common,
  input: prompts,
  encoding_format: maybe(oneOf("'float' or 'base64'", [Type.Literal('float'), Type.Literal('base64')])),
  /** No other number than the vectors have: they are not cut. */
  dimensions: maybe(count),
  /** Scale each vector to length 1. Default: true. */
  normalize: maybe(boolean),
  truncate_prompt_tokens: truncatePromptTokens,
  ...encoding,
})
type Body = Static<typeof body>

export const embeddings = post({
  path: '/v1/embeddings',
  summary: 'Vectors of texts',
  body,
  answer: object({
    ...listFields,
    data: Type.Array(
      object({
        object: Type.Literal('embedding'),
        index: count,
        embedding: oneOf('numbers, or their bytes in base64', [Type.Array(Type.Number()), Type.String()]),
      }),
    ),
    usage,
  }),
  handle: embed,
})

async function embed(body: Body, call: Call): Promise<Answer> {
  const { app } = call
  checkModel(app, body.model)
  checkDimensions(app, body.dimensions)
  const list = promptList(body.input, app, 'input')
  const results = await onField('input', async () => {
    const whole = await promptIds(list, call, body.add_special_tokens)
    const ids = whole.map((ids, i) => lastTokens(ids, list[i]!, app, body.truncate_prompt_tokens))
    // An empty text is embedded as the one token that there has to be.
    const tokens = sum(ids.map(({ length }) => Math.max(1, length)))
    const options = { normalize: body.normalize ?? true, addBos: false, ...call.work() }
    call.enter(tokens + ids.length * Math.ceil(app.model.info.hiddenSize / numbersPerToken))
    return app.model.embed(ids, options)
  })
  checkFinite(results, app)
  const isBase64 = body.encoding_format === 'base64'
  const data = results.map(({ embedding }, index) => ({
    ...{ object: 'embedding', index },
    embedding: isBase64 ? base64(embedding) : embedding,
  }))
  return {
    json: {
      ...listHead(call, 'embd'),
      data,
      usage: promptUsage(call, sum(results.map(({ tokens }) => tokens))),
    },
  }
}

/** @throws 400 */
function checkDimensions({ model }: App, dimensions: number | null | undefined): void {
  const { hiddenSize } = model.info
  if (dimensions == null || dimensions === hiddenSize) return
  throw new HttpError(400, `dimensions: vectors of this model have ${hiddenSize}`, { param: 'dimensions' })
}

/** JSON has no NaN: it would print null without a word. @throws SCORE_NOT_FINITE */
function checkFinite(results: readonly EmbedResult[], { model }: App): void {
  const index = results.findIndex(({ embedding }) => !embedding.every(Number.isFinite))
  if (index < 0) return
  throw new MtLlamaError(
    'SCORE_NOT_FINITE',
    message`${{ kind: 'text', index }}: its embedding has a NaN or an infinity. ${notFiniteCause(model.info.dtype)}`,
  )
}

function base64(numbers: readonly number[]): string {
  const bytes = Buffer.alloc(4 * numbers.length)
  for (const [i, number] of numbers.entries()) bytes.writeFloatLE(number, 4 * i)
  return bytes.toString('base64')
}
