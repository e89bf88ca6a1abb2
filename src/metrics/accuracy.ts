// Rank classification: which choice has the highest score, and was it the gold one.

export interface Ranking {
  /** Index of the best choice; ties go to the lowest. */
  prediction: number
  /** Another choice has the very same score. */
  tied: boolean
}

/** @param scores one per choice, at least one, none NaN */
export function rank(scores: readonly number[]): Ranking {
  const best = Math.max(...scores)
  const prediction = scores.indexOf(best)
  return { prediction, tied: scores.lastIndexOf(best) !== prediction }
}

/** Log-likelihood over the characters (code points) of the choice: lm-evaluation-harness's acc_norm. */
export function perCharacter(logLikelihoods: readonly number[], choices: readonly string[]): number[] {
  return logLikelihoods.map((value, i) => value / [...choices[i]!].length)
}
