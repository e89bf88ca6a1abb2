// How much a metric differs between two runs of the same samples, and whether chance explains it.
import { inSlices } from '../../calls/slices.ts'
import { type Aggregation, isLowerBetter, type Scores, statisticOf } from '../../metrics/aggregation.ts'
import { bootstrap, bootstrapMeans, middle95 } from '../../metrics/bootstrap.ts'
import { mcnemar } from '../../metrics/mcnemar.ts'
import { meanOf } from '../../metrics/mean.ts'
import { type Interval, isProportion } from '../../metrics/wilson.ts'

export interface Difference {
  /** Number of pairs. */
  pairs: number
  /** The metric of the pairs in the first run. */
  before: number
  /** The metric of the same pairs in the other run. */
  after: number
  /** after - before */
  difference: number
  /**
   * Standard error of the difference: s / sqrt(n) of the pairs' differences. Null for a single pair, and for metrics that are
   * no means, such as perplexities.
   */
  standardError: number | null
  /** 95 % of the difference: the percentile interval of the paired bootstrap, which draws pairs; null for a single pair. */
  interval: Interval | null
  /**
   * Pairs whose score is higher in the other run; of a perplexity the score is the log-likelihood, of auc by how much the
   * right choice is likelier than the other.
   */
  higher: number
  /** Pairs whose score is lower in the other run. */
  lower: number
  /** McNemar's exact test, two-sided, where the metric is the mean of scores that are all 0 or 1; null elsewhere. */
  mcnemar: number | null
  /** Whether the difference is one beyond chance: McNemar's p below 0.05; where there is none, an interval without 0. */
  beyondChance: boolean
  /** Whether the other run is worse than the first beyond chance; a higher perplexity is worse. */
  isWorse: boolean
}

/**
 * @param before scores in the first run
 * @param after those of the same samples in the other run
 * @param aggregation how the metric is made of them; undefined for a mean
 */
export async function differenceOf(
  before: Scores,
  after: Scores,
  aggregation: Aggregation | undefined,
): Promise<Difference> {
  const changes = after.scores.map((score, i) => score - before.scores[i]!)
  const better =
    aggregation === 'auc' ? changes.map((one, i) => (after.partners[i] === 1 ? one : -one)) : changes
  const higher = better.filter(one => one > 0).length
  const lower = better.filter(one => one < 0).length
  const figures = aggregation
    ? await ofAggregated(before, after, aggregation)
    : await ofMeans(before, after, changes, higher, lower)
  const { interval, mcnemar: p, difference } = figures
  const beyondChance = p === null ? interval !== null && (interval.low > 0 || interval.high < 0) : p < 0.05
  const isWorse = beyondChance && (isLowerBetter(aggregation) ? difference > 0 : difference < 0)
  return { pairs: changes.length, ...figures, higher, lower, beyondChance, isWorse }
}

async function ofMeans(
  before: Scores,
  after: Scores,
  changes: readonly number[],
  higher: number,
  lower: number,
) {
  const { mean: difference, standardError } = meanOf(changes)
  return {
    ...{ before: meanOf(before.scores).mean, after: meanOf(after.scores).mean, difference, standardError },
    interval: changes.length === 1 ? null : middle95(await inSlices(bootstrapMeans(changes))),
    mcnemar: isProportion(before.scores) && isProportion(after.scores) ? mcnemar(higher, lower) : null,
  }
}

async function ofAggregated(before: Scores, after: Scores, aggregation: Aggregation) {
  const n = before.scores.length
  const [there, here] = [statisticOf(aggregation, before), statisticOf(aggregation, after)]
  const change = (drawn?: Int32Array) => here(drawn) - there(drawn)
  return {
    ...{ before: there(), after: here() },
    ...{ difference: change(), standardError: null },
    interval: n === 1 ? null : middle95(await inSlices(bootstrap(n, change))),
    mcnemar: null,
  }
}
