// What a sample keeps of the tokens of its choices or of its answer: the text and the log-probability of each.
import type { GenerateResult } from '../generation/options.ts'
import type { ContinuationScore } from '../scoring/request.ts'
import { tokenTexts } from '../tokenizer/token-texts.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

export interface TokenScores {
  /** The tokens' texts, by choice: joined they are the delimiter and the choice, or begin with an end of the prompt. */
  tokenTexts: string[][]
  /** Log-probability of each of these tokens; their sum is the choice's log-likelihood. null where it is NaN or infinite. */
  tokenLogProbs: (number | null)[][]
}

/** @param tokenizer undefined for a scorer without one, whose tokens have no texts: then there is nothing to keep */
export function tokenScores(
  continuations: readonly ContinuationScore[],
  tokenizer: Tokenizer | undefined,
): TokenScores | undefined {
  if (!tokenizer) return undefined
  return {
    tokenTexts: continuations.map(({ tokens }) => tokenTexts(tokenizer, tokens)),
    tokenLogProbs: continuations.map(({ tokenLogProbs }) => tokenLogProbs.map(shortest)),
  }
}

/** What a sample keeps of the tokens that were generated, among them those of a stop string. */
export interface AnswerScores {
  tokenTexts: string[]
  /** Log-probability of each of these tokens; null where it is NaN or infinite. */
  tokenLogProbs: (number | null)[]
}

/** @param tokenizer undefined for a generator without one: then there is nothing to keep */
export function answerScores(
  { tokens, logProbs }: Pick<GenerateResult, 'tokens' | 'logProbs'>,
  tokenizer: Tokenizer | undefined,
): AnswerScores | undefined {
  return tokenizer && { tokenTexts: tokenTexts(tokenizer, tokens), tokenLogProbs: logProbs.map(shortest) }
}

/** Nine digits tell all float32 numbers apart; the number itself would print with up to twice as many. */
function shortest(logProb: number): number | null {
  return Number.isFinite(logProb) ? Number(logProb.toPrecision(9)) : null
}
