// How relevant a document is to a query, as a number from 0 to 1, which reranking and scoring of pairs answer with.
import type { Call } from './route.ts'

/** The query's tokens by itself, without those that a tokenizer adds: POST /tokenize counts as many without them. */
export async function queryTokens(query: string, { app, signal }: Call): Promise<number> {
  const ids = await app.model.promptIds(query, 0, { addBos: false, parseSpecial: true }, signal)
  return Math.max(1, ids.length)
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
