// The mean of a metric over samples, and how far chance may have moved it.
import { inSlices } from '../calls/slices.ts'
import { bootstrapMeans, percentile } from './bootstrap.ts'
import { type Interval, isProportion, wilson } from './wilson.ts'

export interface Figure {
  /** The mean over the samples. */
  value: number
  /**
   * Standard deviation of `value` over samples drawn anew: s / sqrt(n) with n - 1 in s, as lm-evaluation-harness's
   * mean_stderr(); null for a single sample.
   */
  standardError: number | null
  /**
   * The same by the bootstrap: standard deviation of the means of resamples, as lm-evaluation-harness's bootstrap_stderr().
   * It has n in s, so it is smaller by sqrt((n - 1) / n). Null for a single sample.
   */
  bootstrapError: number | null
  /**
   * Holds the mean of the population in 95 of 100 such sets of samples: Wilson's interval where every sample is 0 or 1, else
   * the bootstrap's percentiles. Null for a single sample that is neither.
   */
  interval: (Interval & { method: 'wilson' | 'bootstrap' }) | null
}

/**
 * The figure of a metric; the same values in the same order always give the same bits. The event loop gets its turns.
 * @param values one for each sample, at least one
 */
export async function figureOf(values: readonly number[]): Promise<Figure> {
  const n = values.length
  const { mean: value, standardError } = meanOf(values)
  const byWilson = isProportion(values) && {
    ...wilson(values.filter(one => one === 1).length, n),
    method: 'wilson' as const,
  }
  if (standardError === null)
    return { value, standardError, bootstrapError: null, interval: byWilson || null }
  const means = await inSlices(bootstrapMeans(values))
  const spread = meanOf(means)
  return {
    ...{ value, standardError },
    // meanOf() gives s / sqrt(resamples) of the means, whose s is asked for.
    bootstrapError: spread.standardError! * Math.sqrt(means.length),
    interval: byWilson || { ...middle95(means), method: 'bootstrap' },
  }
}

/** Mean and its analytic standard error, null for a single value. @param values at least one */
export function meanOf(values: ArrayLike<number>): { mean: number; standardError: number | null } {
  const n = values.length
  let sum = 0
  for (let i = 0; i < n; i++) sum += values[i]!
  const mean = sum / n
  if (n === 1) return { mean, standardError: null }
  let squares = 0
  for (let i = 0; i < n; i++) squares += (values[i]! - mean) ** 2
  return { mean, standardError: Math.sqrt(squares / (n - 1) / n) }
}

/** The percentile interval of 95 % (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3). */
export function middle95(means: Float64Array): Interval {
  return { low: percentile(means, 0.025), high: percentile(means, 0.975) }
}
