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
  // The sum of (n over i) for i up to `fewer`, as tail * 2^exponent: thousands of flips go far beyond a double's range. Below
  // 2^53 all of it is exact.
  let [term, tail, exponent] = [1, 1, 0]
  for (let i = 1; i <= fewer; i++) {
    term = (term * (n - i + 1)) / i
    tail += term
    if (tail < 2 ** 500) continue
    term *= 2 ** -500
    tail *= 2 ** -500
    exponent += 500
  }
  return Math.min(2 * tail * 2 ** (exponent - n), 1)
}
