// How relevant a document is to a query, as a number from 0 to 1, which reranking and scoring of pairs answer with.
import { promptIds } from './prompts.ts'
import type { Call } from './route.ts'

/** The tokens of each query by itself, without those that a tokenizer adds: POST /tokenize counts as many without them. */
export async function queryTokens(queries: readonly string[], call: Call): Promise<number[]> {
  const ids = await promptIds(queries, call, false)
  return ids.map(({ length }) => Math.max(1, length))
}

/**
 * exp(ln P(query | document) / tokens): the geometric mean of the probabilities of the query's tokens. It has the order of the
 * log-likelihoods, since `tokens` is one number for all documents, and unlike them it can be told from 0 for a long query.
 * @param logLikelihood ln P(query | document), as Model.rank() gives it
 * @param tokens of queryTokens()
 */
export function relevance(logLikelihood: number, tokens: number): number {
  return Math.min(1, Math.exp(logLikelihood / tokens))
}
