// Ranking of documents by how likely a query is that is asked about each of them.
import { checkOptions, optionNames, optionOf } from '../calls/options.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import type { ReadRequest } from '../scoring/read-request.ts'
import type { ItemJudge } from './judge.ts'
import { type JudgeOptions, judgeOptionNames } from './options.ts'
import { following, type Printed, readTemplate } from './template.ts'

export interface RankOptions extends JudgeOptions {
  /**
   * The prompt that the query follows, after a space unless there is white space already: a text with {document}, or a
   * function of the document. @default 'Passage: {document}\nPlease write a question based on this passage.\nQuestion:'
   */
  template?: string | ((document: string) => string)
}

const rankOptionNames = optionNames<RankOptions>({ template: true, ...judgeOptionNames })

export interface RankedDocument {
  /** Of the document among those given. */
  index: number
  /** ln P(query | document): the sum over the query's tokens, at most 0. */
  score: number
  document: string
  /** Tokens cut from the prompt by `tooLong`. */
  truncatedTokens: number
}

const template = 'Passage: {document}\nPlease write a question based on this passage.\nQuestion:'

/**
 * Scores documents by the likelihood of the query (Sachan et al. 2022, "Improving passage retrieval with zero-shot question
 * generation"). The mean over the query's tokens, which is in the paper, has the same order.
 */
export class Ranker implements ItemJudge<RankedDocument> {
  readonly itemName = 'document'
  private readonly query: string
  private readonly print: Printed
  /** Those that were asked about and are not judged, by the order of their indices. */
  private readonly asked: { index: number; document: string }[] = []

  /** @throws INVALID_ARGUMENT */
  constructor(query: string, options: RankOptions) {
    checkOptions(options, rankOptionNames)
    if (typeof query !== 'string' || query === '')
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        `query is ${shown(query)}; expected a text that is not empty`,
      )
    this.query = query
    this.print = documentTemplate(options)
  }

  asks(document: string, index: number): ReadRequest[] {
    this.asked.push({ index, document })
    return [relevanceRequest(this.print(document), this.query)]
  }

  judge([score]: readonly number[], truncatedTokens: number): RankedDocument {
    const { index, document } = this.asked.shift()!
    return { index, score: score!, document, truncatedTokens }
  }
}

/** The prompts about documents. @throws INVALID_ARGUMENT */
export function documentTemplate(options: Pick<RankOptions, 'template'>): Printed {
  return readTemplate(optionOf(options, 'template', template), ['document'])
}

/** What is scored for a document. @param prompt about it */
export function relevanceRequest(prompt: string, query: string): ReadRequest {
  return { prompt, continuations: [following(prompt, query)] }
}

/** The best first, of equal ones the first. */
export function byRelevance(documents: readonly RankedDocument[]): RankedDocument[] {
  return documents.toSorted((a, b) => b.score - a.score)
}
