// How scores are printed, in percent and rounded half up.
import { type Aggregation, isShare } from './aggregation.ts'

/**
 * @param value from 0 to 1
 * @param decimals 1 as the released scripts print accuracies, 2 as they print F1 and exact match: the exact binary value is
 * rounded half up, as Python's Decimal(x).quantize(..., ROUND_HALF_UP) does, and as toFixed() is specified
 */
export function printedPercent(value: number, decimals: 1 | 2): string {
  const percent = 100 * value
  // The scripts compute an accuracy as 100 * (sum / n), but F1 and exact match as (100 * sum) / n, which may lie a bit beside
  // it: 23 of 160 are 14.375 there, and 14.374999999999998 here. Twelve digits bring back the number that was meant.
  return decimals === 1 ? percent.toFixed(1) : Number(percent.toPrecision(12)).toFixed(2)
}

/** A score as tables print it: shares in percent, perplexities and bits as they are, to five digits. */
export function printedScore(value: number, aggregation: Aggregation | undefined, decimals: 1 | 2): string {
  return isShare(aggregation) ? printedPercent(value, decimals) : value.toPrecision(5)
}
