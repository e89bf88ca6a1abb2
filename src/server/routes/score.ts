// POST /v1/score and /score, in vLLM's form (vllm/entrypoints/pooling/scoring/protocol.py: text_1 and text_2, data_1 and
// data_2, queries and documents, or queries and items; truncate_prompt_tokens; data of index, object, score). One text_1 is
// paired with each text_2, as many of both one by one. text_1 is the query and text_2 the document: `score` is the
// relevance_score that /v1/rerank gives of the two, from 0 to 1 (see relevance()), and `log_likelihood` ln P(text_1 | text_2),
// as Model.rank() gives it.
import { documentTemplate, relevanceRequest } from '../../zero-shot/rank.ts'
import { listFields, listHead, promptUsage } from '../answer-fields.ts'
import { askedTokens } from '../asked-tokens.ts'
import { checkScores } from '../check-scores.ts'
import { HttpError, onField } from '../http-error.ts'
import { checkModel, promptList } from '../prompts.ts'
import { queryTokens, relevance } from '../relevance.ts'
import { type Answer, type Call, post } from '../route.ts'
import { maybe, object, oneOf, type Static, Type } from '../schema.ts'
import { common, count, text, usage, words } from '../schemas.ts'
import { tooLongOption, truncateToContext } from '../truncation.ts'

const wordsOrList = oneOf('a text that is not empty, or a list of such texts', [words, Type.Array(words)])
const body = object({
  ...common,
  ...{ text_1: maybe(wordsOrList), text_2: maybe(wordsOrList) },
  ...{ data_1: maybe(wordsOrList), data_2: maybe(wordsOrList) },
  ...{ queries: maybe(wordsOrList), documents: maybe(wordsOrList), items: maybe(wordsOrList) },
  truncate_prompt_tokens: truncateToContext,
  /** The prompt about text_2 that text_1 follows: a text with {document}. */
  template: maybe(text),
})
type Body = Static<typeof body>

/** The names that the two sides of the pairs may have. */
const spellings = [
  ['text_1', 'text_2'],
  ['data_1', 'data_2'],
  ['queries', 'documents'],
  ['queries', 'items'],
] as const
type Spelling = (typeof spellings)[number]

export const score = post({
  path: '/v1/score',
  aliases: ['/score'],
  summary: 'How relevant texts are to others, pair by pair',
  body,
  answer: object({
    ...listFields,
    data: Type.Array(
      object({
        ...{ index: count, object: Type.Literal('score') },
        score: Type.Number({ minimum: 0, maximum: 1 }),
        log_likelihood: Type.Number(),
      }),
    ),
    usage,
  }),
  handle: answer,
})

async function answer(body: Body, call: Call): Promise<Answer> {
  const { app } = call
  const { model } = app
  checkModel(app, body.model)
  const [first, second] = spellingOf(body)
  const queries = promptList(body[first]!, app, first) as string[]
  const documents = promptList(body[second]!, app, second) as string[]
  if (queries.length > 1 && queries.length !== documents.length)
    throw new HttpError(
      400,
      `${second} has ${documents.length} texts; expected ${queries.length}, as many as ${first}`,
      { param: second },
    )
  const print = await onField('template', () =>
    documentTemplate(body.template == null ? {} : { template: body.template }),
  )
  const queryOf = (index: number) => queries[queries.length > 1 ? index : 0]!
  const perQuery = await onField(first, () => queryTokens(queries, call))
  const request = (document: string, index: number) => relevanceRequest(print(document), queryOf(index))
  // One by one: a long template is in each of them.
  const requests = function* () {
    for (const [index, document] of documents.entries()) yield request(document, index)
  }
  return onField(second, async () => {
    const tokens = await askedTokens(requests(), call)
    call.enter(tokens)
    const results = await model.score(documents.map(request), {
      ...tooLongOption(body.truncate_prompt_tokens),
      ...call.work(),
    })
    const data = results.map((result, index) => {
      checkScores(result, index, model)
      const { logLikelihood } = result.continuations[0]!
      const own = relevance(logLikelihood, perQuery[queries.length > 1 ? index : 0]!)
      return { index, object: 'score', score: own, log_likelihood: logLikelihood }
    })
    return { json: { ...listHead(call, 'score'), data, usage: promptUsage(call, tokens) } }
  })
}

/** @throws 400 for one side without the other, and for several spellings */
function spellingOf(body: Body): Spelling {
  const given = [...new Set(spellings.flat())].filter(name => body[name] != null)
  const spelling = spellings.find(names => given.every(name => (names as readonly string[]).includes(name)))
  if (!spelling) {
    const param = given.at(-1)!
    const pairs = spellings.map(([first, second]) => `${first} and ${second}`).join('; ')
    throw new HttpError(400, `${param} is there beside ${given[0]}; expected one of: ${pairs}`, { param })
  }
  const missing = spelling.find(name => body[name] == null)
  if (missing === undefined) return spelling
  throw new HttpError(400, `${missing} is missing`, { param: missing, code: 'missing_field' })
}
