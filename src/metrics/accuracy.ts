// Rank classification: finds the choice with the highest score.

export interface Ranking {
  /** Index of the best choice, the lowest one of a tie. */
  prediction: number
  /** Whether another choice has the very same score. */
  tied: boolean
}

/** @param scores holds one number for each choice, at least one, and no NaN */
export function rank(scores: readonly number[]): Ranking {
  const best = Math.max(...scores)
  const prediction = scores.indexOf(best)
  return { prediction, tied: scores.lastIndexOf(best) !== prediction }
}

/** Each log-likelihood divided by the number of code points of its choice, as in lm-evaluation-harness's acc_norm. */
export function perCharacter(logLikelihoods: readonly number[], choices: readonly string[]): number[] {
  return logLikelihoods.map((value, i) => value / [...choices[i]!].length)
}

/** Each log-likelihood divided by the number of UTF-8 bytes of its choice, as in lm-evaluation-harness's acc_bytes. */
export function perByte(logLikelihoods: readonly number[], choices: readonly string[]): number[] {
  return logLikelihoods.map((value, i) => value / Buffer.byteLength(choices[i]!))
}

/**
 * Each log-likelihood less that of the choice by itself, which is the log of P(choice | prompt) / P(choice): pointwise mutual
 * information, as in lm-evaluation-harness's acc_mutual_info (Holtzman et al. 2021, with the empty prompt as its domain).
 */
export function mutualInformation(
  logLikelihoods: readonly number[],
  unconditional: readonly number[],
): number[] {
  return logLikelihoods.map((value, i) => value - unconditional[i]!)
}

/** Each log-likelihood divided by the number of tokens that it is the sum of, as in OLMES's acc_per_token. */
export function perToken(logLikelihoods: readonly number[], tokens: readonly number[]): number[] {
  return logLikelihoods.map((value, i) => value / tokens[i]!)
}
