// How a metric spreads over templates: mean, median, min and max, as results of T0 are told.
import type { Figure } from './mean.ts'

/** The names of a metric's figures over templates. */
export function spreadNames(metric: string): string[] {
  return ['mean', 'median', 'min', 'max'].map(name => `${metric}_${name}`)
}

/** Figures named acc_mean, acc_median, acc_min and acc_max for the metric acc. There must be one value at least. */
export function spread(metric: string, values: readonly number[]): Record<string, Figure> {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const parts = {
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    median: (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2,
    min: sorted[0]!,
    max: sorted.at(-1)!,
  }
  return Object.fromEntries(
    Object.entries(parts).map(([name, value]) => [
      `${metric}_${name}`,
      { value, standardError: null, bootstrapError: null, interval: null },
    ]),
  )
}
