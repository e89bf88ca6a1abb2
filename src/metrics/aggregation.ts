// Metrics that are no mean of their samples' scores: perplexities, and F1 of classes.
import type { Figure } from './mean.ts'

/**
 * How a metric is made of the scores of samples, as lm-evaluation-harness names it:
 * - perplexity: exp of minus the mean of log-likelihoods;
 * - weighted_perplexity: exp of minus the sum of log-likelihoods over the sum of words or bytes, with which they are paired;
 * - bits_per_byte: minus the sum of log-likelihoods over the sum of bytes, in bits;
 * - f1: of class 1 of two. The score is 1 where class 1 is predicted; it is paired with 1 where class 1 is right.
 */
export type Aggregation = 'perplexity' | 'weighted_perplexity' | 'bits_per_byte' | 'f1'

/** Whether a metric is a part of 1, which tables print in percent. */
export function isShare(aggregation: Aggregation | undefined): boolean {
  return aggregation === undefined || aggregation === 'f1'
}

/**
 * @param scores one for each sample, at least one
 * @param partners the numbers that they are paired with, where the aggregation takes some
 */
export function aggregated(
  aggregation: Aggregation,
  scores: readonly number[],
  partners: readonly number[],
): Figure {
  const others = { bootstrapError: null, interval: null }
  if (aggregation === 'f1') return { value: f1(scores, partners), standardError: null, ...others }
  const weights = aggregation === 'perplexity' ? scores.map(() => 1) : partners
  const { ratio, error } = ratioOf(scores, weights)
  if (aggregation === 'bits_per_byte')
    return { value: -ratio / Math.LN2, standardError: error === null ? null : error / Math.LN2, ...others }
  const value = Math.exp(-ratio)
  // To first order, exp(-r) moves by its own value where r moves by 1.
  return { value, standardError: error === null ? null : value * error, ...others }
}

/** The sum of scores over the sum of weights, and its standard error by linearisation (Cochran, Sampling Techniques, 6.4). */
function ratioOf(
  scores: readonly number[],
  weights: readonly number[],
): { ratio: number; error: number | null } {
  const n = scores.length
  const whole = sum(weights)
  const ratio = sum(scores) / whole
  const squares = sum(scores.map((score, i) => (score - ratio * weights[i]!) ** 2))
  return { ratio, error: n > 1 ? Math.sqrt((squares * n) / (n - 1)) / whole : null }
}

/** 0 where class 1 is neither predicted nor right, as scikit-learn has it. */
function f1(predicted: readonly number[], right: readonly number[]): number {
  const hits = sum(predicted.map((score, i) => score * right[i]!))
  const all = sum(predicted) + sum(right)
  return all === 0 ? 0 : (2 * hits) / all
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
