// The mean of a metric over samples, and how far chance may have moved it.
import { inSlices } from '../calls/slices.ts'
import { bootstrapMeans, middle95 } from './bootstrap.ts'
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
   * The same by the bootstrap, which lm-evaluation-harness's bootstrap_stderr() nears as its resamples grow in number: the
   * deviation of the means of all resamples there are, s / sqrt(n) with n in s (B. Efron and R. Tibshirani, An Introduction
   * to the Bootstrap, 1993, chapters 5 and 6). Null for a single sample.
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
  const bootstrapError = standardError === null ? null : standardError * Math.sqrt((n - 1) / n)
  return { value, standardError, bootstrapError, interval: await intervalOf(values) }
}

async function intervalOf(values: readonly number[]): Promise<Figure['interval']> {
  const n = values.length
  if (isProportion(values))
    return { ...wilson(values.filter(value => value === 1).length, n), method: 'wilson' }
  if (n === 1) return null
  return { ...middle95(await inSlices(bootstrapMeans(values))), method: 'bootstrap' }
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
