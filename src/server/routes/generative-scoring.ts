// POST /generative_scoring, as vLLM has it (vllm/entrypoints/openai/generative_scoring/serving.py: query, items,
// label_token_ids, apply_softmax, item_first, add_special_tokens; data of index, object, score, which is the first label's),
// with `scores` of all labels, as SGLang's /v1/score answers (sglang/srt/entrypoints/openai/protocol.py: ScoringResponse).
// A prompt is the query followed by an item. Texts are joined before they are encoded, as SGLang does it: vLLM encodes them
// apart, which gives other tokens where one would reach across.
import { logSoftmax } from '../../zero-shot/calibration.ts'
import { listFields, listHead, promptUsage } from '../answer-fields.ts'
import { checkScores } from '../check-scores.ts'
import { HttpError, onField } from '../http-error.ts'
import { checkCount, checkModel, promptIds, sum } from '../prompts.ts'
import { type Answer, type Call, post } from '../route.ts'
import { maybe, object, oneOf, type Static, Type } from '../schema.ts'
import { boolean, common, count, encoding, ids, prompt, text, usage } from '../schemas.ts'

const body = object({
  ...common,
  query: prompt,
  items: oneOf('a list of texts, or of lists of token ids', [
    Type.Array(text, { minItems: 1 }),
    Type.Array(ids, { minItems: 1 }),
  ]),
  /** Tokens of which it is asked how likely they are next. */
  label_token_ids: Type.Array(count, { minItems: 1, description: 'a list of token ids, at least one' }),
  /** Probabilities among the labels alone, which sum to 1; else those among all tokens. Default: true, as in vLLM. */
  apply_softmax: maybe(boolean),
  /** Items before the query. Default: false. */
  item_first: maybe(boolean),
  ...encoding,
})
type Body = Static<typeof body>

export const generativeScoring = post({
  path: '/generative_scoring',
  summary: 'How likely tokens are next after a query and each of some items',
  body,
  answer: object({
    ...listFields,
    data: Type.Array(object({ index: count, object: Type.Literal('score'), score: Type.Number() })),
    /** [items][labels] */
    scores: Type.Array(Type.Array(Type.Number())),
    usage,
  }),
  handle: answer,
})

async function answer(body: Body, call: Call): Promise<Answer> {
  const { app } = call
  const { model, limits } = app
  const { label_token_ids: labels } = body
  checkModel(app, body.model)
  checkCount(body.items.length, limits.prompts, 'items')
  checkCount(labels.length, limits.prompts, 'label_token_ids')
  const { vocabSize } = model.info
  const unknown = labels.find(id => id >= vocabSize)
  if (unknown !== undefined)
    throw new HttpError(400, `label_token_ids: ids of this model are 0 to ${vocabSize - 1}, not ${unknown}`, {
      param: 'label_token_ids',
    })
  // One by one: a long query is in each of them.
  const joined = function* () {
    for (const item of body.items) yield join(body.query, item, body.item_first ?? false)
  }
  return onField('items', async () => {
    const ids = await promptIds(joined(), call, body.add_special_tokens)
    const tokens = sum(ids.map(({ length }) => Math.max(1, length)))
    call.enter(tokens + ids.length * labels.length)
    const requests = ids.map(prompt => ({ prompt, continuations: labels.map(id => [id]) }))
    const results = await model.score(requests, { addBos: false, ...call.work() })
    const scores = results.map((result, index) => {
      checkScores(result, index, model)
      const logProbs = result.continuations.map(({ logLikelihood }) => logLikelihood)
      return (body.apply_softmax === false ? logProbs : logSoftmax(logProbs)).map(Math.exp)
    })
    const data = scores.map(([score], index) => ({ index, object: 'score', score }))
    return {
      json: { ...listHead(call, 'generative-scoring'), data, scores, usage: promptUsage(call, tokens) },
    }
  })
}

/** @throws 400 for a text beside ids */
function join(query: string | number[], item: string | number[], itemFirst: boolean): string | number[] {
  if (typeof query === 'string' && typeof item === 'string') return itemFirst ? item + query : query + item
  if (typeof query !== 'string' && typeof item !== 'string')
    return itemFirst ? [...item, ...query] : [...query, ...item]
  throw new HttpError(
    400,
    'items: expected texts with a query that is a text, and token ids with one of ids',
    {
      param: 'items',
    },
  )
}
