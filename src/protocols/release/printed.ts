// How the release prints its scores.

/**
 * A score in percent: accuracies with one decimal, F1 and exact match with two, rounded half up from the exact binary value
 * as Python's Decimal(x).quantize(..., ROUND_HALF_UP) does it. toFixed() is specified so too: of two nearest it takes the larger.
 */
export function printedPercent(percent: number, metric: 'accuracy' | 'f1' | 'exactMatch'): string {
  return percent.toFixed(metric === 'accuracy' ? 1 : 2)
}
