// POST /v1/rerank, /rerank and /v2/rerank. Jina has the first path and `return_documents`, true by default
// (jina.ai/reranker: results of index, relevance_score, document {text}; usage), Cohere the last one, with `top_n`,
// `max_tokens_per_doc` and `meta.tokens` (docs.cohere.com/reference/rerank), vLLM all three
// (vllm/entrypoints/pooling/scoring/protocol.py), with `id` and `truncate_prompt_tokens`.
// Documents are texts or {text}. A document's score is ln P(query | document) by Model.rank(), which results have as
// `log_likelihood`; `relevance_score` is that as a number from 0 to 1: see relevance().
import { Ranker } from '../../zero-shot/rank.ts'
import { listFields, listHead, promptUsage } from '../answer-fields.ts'
import { askedTokens } from '../asked-tokens.ts'
import { onField } from '../http-error.ts'
import { checkModel, promptList } from '../prompts.ts'
import { queryTokens, relevance } from '../relevance.ts'
import { type Answer, type Call, post } from '../route.ts'
import { maybe, object, oneOf, type Static, Type } from '../schema.ts'
import { boolean, common, count, text, usage, words } from '../schemas.ts'
import { firstTokens, tooLongOption, truncateToContext } from '../truncation.ts'

const document = oneOf('a text, or {text}', [text, object({ text })])
const body = object({
  ...common,
  query: words,
  documents: Type.Array(document, { description: 'a list of texts, or of {text}' }),
  /** The best so many. Default: all. */
  top_n: maybe(Type.Integer({ minimum: 1, description: 'a whole number of at least 1' })),
  /** Documents are cut after so many tokens. Default: they are not cut, where Cohere cuts them after 4096. */
  max_tokens_per_doc: maybe(Type.Integer({ minimum: 1, description: 'a whole number of at least 1' })),
  truncate_prompt_tokens: truncateToContext,
  /** Default: true. */
  return_documents: maybe(boolean),
  /** The prompt that the query follows: a text with {document}. */
  template: maybe(text),
})
type Body = Static<typeof body>

export const rerank = post({
  path: '/v1/rerank',
  aliases: ['/rerank', '/v2/rerank'],
  summary: 'Documents in the order of their relevance to a query',
  body,
  answer: object({
    ...listFields,
    results: Type.Array(
      object({
        /** Of the document among those given. */
        index: count,
        relevance_score: Type.Number({ minimum: 0, maximum: 1 }),
        log_likelihood: Type.Number(),
        document: Type.Optional(object({ text: Type.String() })),
      }),
    ),
    usage,
    meta: object({ tokens: object({ input_tokens: count, output_tokens: count }) }),
  }),
  handle: answer,
})

async function answer(body: Body, call: Call): Promise<Answer> {
  const { app } = call
  const { model } = app
  const { query } = body
  checkModel(app, body.model)
  const given = body.documents.map(document => (typeof document === 'string' ? document : document.text))
  const whole = promptList(given, app, 'documents') as string[]
  const template = body.template == null ? {} : { template: body.template }
  const ranker = await onField('query', () => new Ranker(query, template))
  const [perQuery] = await onField('query', () => queryTokens([query], call))
  const documents = await onField('documents', () => cut(whole, call, body.max_tokens_per_doc))
  // One by one: a long template is in each of them.
  const asks = function* () {
    for (const [index, document] of documents.entries()) yield* ranker.asks(document, index)
  }
  return onField('documents', async () => {
    const tokens = await askedTokens(asks(), call)
    call.enter(tokens)
    const ranked = await model.rank(query, documents, {
      ...{ ...template, ...tooLongOption(body.truncate_prompt_tokens) },
      ...call.work(),
    })
    const results = ranked.slice(0, body.top_n ?? ranked.length).map(({ index, score }) => ({
      ...{ index, relevance_score: relevance(score, perQuery!), log_likelihood: score },
      ...(body.return_documents !== false && { document: { text: whole[index]! } }),
    }))
    const meta = { tokens: { input_tokens: tokens, output_tokens: 0 } }
    return { json: { ...listHead(call, 'rerank'), results, usage: promptUsage(call, tokens), meta } }
  })
}

/** @param most tokens of each; undefined: they are not cut */
async function cut(documents: string[], call: Call, most: number | null | undefined): Promise<string[]> {
  if (most == null) return documents
  const begins: string[] = []
  for (const [index, document] of documents.entries())
    begins.push(await firstTokens(document, index, call, most))
  return begins
}
