// Wilson's interval of a proportion.

export interface Interval {
  low: number
  high: number
}

/** The standard normal's 97.5th percentile: 95 % lie between it and its negative. */
const z = 1.959963984540054

/**
 * The 95 % score interval of a proportion (E. B. Wilson, Probable inference, the law of succession, and statistical inference,
 * 1927), without continuity correction. Unlike value +- 1.96 standard errors it stays within 0 to 1, and is no point
 * where all samples are alike.
 * @param count how many of n samples are 1
 */
export function wilson(count: number, n: number): Interval {
  const p = count / n
  const centre = (p + z ** 2 / (2 * n)) / (1 + z ** 2 / n)
  const half = (z / (1 + z ** 2 / n)) * Math.sqrt((p * (1 - p)) / n + z ** 2 / (4 * n ** 2))
  // Where all samples are alike an end is 0 or 1 but for rounding.
  return { low: count === 0 ? 0 : centre - half, high: count === n ? 1 : centre + half }
}

/** Whether every value is 0 or 1. */
export function isProportion(values: readonly number[]): boolean {
  return values.every(value => value === 0 || value === 1)
}
