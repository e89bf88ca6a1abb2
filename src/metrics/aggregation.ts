// Metrics that are no mean of their samples' scores: perplexities, F1 of classes, and the area under the ROC curve.
import { inSlices } from '../calls/slices.ts'
import { areaUnderRoc } from './auc.ts'
import { bootstrap, middle95 } from './bootstrap.ts'
import { type Figure, meanOf } from './mean.ts'
import { sum } from './sum.ts'

/**
 * How a metric is made of the scores of samples, as lm-evaluation-harness names it:
 * - perplexity: exp of minus the mean of log-likelihoods;
 * - weighted_perplexity: exp of minus the sum of log-likelihoods over the sum of words or bytes, with which they are paired;
 * - bits_per_byte: minus the sum of log-likelihoods over the sum of bytes, in bits;
 * - f1: of class 1 of two. The score is 1 where class 1 is predicted; it is paired with 1 where class 1 is right.
 * And beside these auc, of two classes: the higher the score, the likelier class 1; it is paired with 1 where class 1 is right.
 */
export type Aggregation = 'perplexity' | 'weighted_perplexity' | 'bits_per_byte' | 'f1' | 'auc'

/** Whether a metric is a part of 1, which tables print in percent. */
export function isShare(aggregation: Aggregation | undefined): boolean {
  return aggregation === undefined || aggregation === 'f1' || aggregation === 'auc'
}

/** Whether a lower value is the better one. */
export function isLowerBetter(aggregation: Aggregation | undefined): boolean {
  return !isShare(aggregation)
}

/** The scores of samples, at least one, and the numbers that they are paired with, where the aggregation takes some. */
export interface Scores {
  scores: readonly number[]
  partners: readonly number[]
}

/** The figure of a metric; the bootstrap's error and interval are those of resamples. The event loop gets its turns. */
export async function aggregated(aggregation: Aggregation, all: Scores): Promise<Figure> {
  const n = all.scores.length
  const statistic = statisticOf(aggregation, all)
  const value = statistic()
  if (n === 1) return { value, standardError: null, bootstrapError: null, interval: null }
  const values = await inSlices(bootstrap(n, statistic))
  return {
    ...{ value, standardError: analyticError(aggregation, all, value) },
    // meanOf() gives s / sqrt(resamples), whose s is asked for.
    bootstrapError: meanOf(values).standardError! * Math.sqrt(values.length),
    interval: { ...middle95(values), method: 'bootstrap' },
  }
}

/**
 * The metric as a function of the places of the samples that count, by default all of them once. It is NaN where these do
 * not have it: auc of a single class.
 */
export function statisticOf(aggregation: Aggregation, all: Scores): (drawn?: Int32Array) => number {
  const { scores, partners } = all
  const everyPlace = Int32Array.from(scores.keys())
  if (aggregation === 'auc') {
    const area = areaUnderRoc(scores, partners)
    return (drawn = everyPlace) => area(drawn)
  }
  if (aggregation === 'f1') return (drawn = everyPlace) => f1(scores, partners, drawn)
  return (drawn = everyPlace) => {
    let [sum, whole] = [0, 0]
    for (const i of drawn) {
      sum += scores[i]!
      whole += aggregation === 'perplexity' ? 1 : partners[i]!
    }
    return aggregation === 'bits_per_byte' ? -sum / whole / Math.LN2 : Math.exp(-sum / whole)
  }
}

/** Null for F1 and auc, whose errors are the bootstrap's. @param value the metric's */
function analyticError(aggregation: Aggregation, { scores, partners }: Scores, value: number): number | null {
  if (aggregation === 'f1' || aggregation === 'auc') return null
  const error = ratioError(scores, aggregation === 'perplexity' ? scores.map(() => 1) : partners)
  // To first order, exp(-r) moves by its own value where r moves by 1.
  return aggregation === 'bits_per_byte' ? error / Math.LN2 : value * error
}

/** Standard error of the sum of scores over that of weights, by linearisation (Cochran, Sampling Techniques, 6.4). */
function ratioError(scores: readonly number[], weights: readonly number[]): number {
  const n = scores.length
  const whole = sum(weights)
  const ratio = sum(scores) / whole
  const squares = sum(scores.map((score, i) => (score - ratio * weights[i]!) ** 2))
  return Math.sqrt((squares * n) / (n - 1)) / whole
}

/** 0 where class 1 is neither predicted nor right, as scikit-learn has it. */
function f1(predicted: readonly number[], right: readonly number[], drawn: Int32Array): number {
  let [hits, all] = [0, 0]
  for (const i of drawn) {
    hits += predicted[i]! * right[i]!
    all += predicted[i]! + right[i]!
  }
  return all === 0 ? 0 : (2 * hits) / all
}
