// McNemar's exact test: whether two runs of the same samples differ beyond chance.

/**
 * The probability that flips as uneven as these, or more so, come about by chance, each flip being as likely one way as the
 * other: the two-sided exact binomial test (Q. McNemar, 1947; A. Agresti, Categorical Data Analysis, 2002, section 10.1). No
 * normal approximation, whatever the numbers.
 * @param gained samples that are wrong in the first run and right in the second
 * @param lost samples that are right in the first run and wrong in the second
 * @returns 0 to 1; 1 where nothing flips
 */
export function mcnemar(gained: number, lost: number): number {
  const n = gained + lost
  const fewer = Math.min(gained, lost)
  if (2 * fewer === n) return 1
  // log(n over fewer) - n log 2: the logarithm keeps it from underflowing, since one term of thousands of flips would.
  let logTerm = -n * Math.LN2
  for (let i = 1; i <= fewer; i++) logTerm += Math.log((n - fewer + i) / i)
  // The terms below the largest, as shares of it, down to those that no longer count.
  let share = 1
  let tail = 0
  for (let i = fewer; i >= 0 && share > tail * Number.EPSILON; i--) {
    tail += share
    share *= i / (n - i + 1)
  }
  return Math.min(2 * tail * Math.exp(logTerm), 1)
}
