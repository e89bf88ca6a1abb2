// Adds up a task's sample records to its metrics.
import { type Figure, Mean } from '../metrics/mean.ts'
import { isNotFinite } from './not-finite.ts'
import type { SampleRecord } from './results.ts'

export class Tally {
  samples = 0
  ties = 0
  failed = 0
  truncated = 0
  notFinite = 0
  readonly #means = new Map<string, Mean>()

  add(record: SampleRecord): void {
    this.samples++
    if (record.tied) this.ties++
    if (record.failed) this.failed++
    if (record.truncatedTokens > 0) this.truncated++
    if (isNotFinite(record)) this.notFinite++
    for (const [metric, score] of Object.entries(record.scores)) {
      const mean = this.#means.get(metric) ?? new Mean()
      this.#means.set(metric, mean)
      mean.add(score)
    }
  }

  /** There must be one sample at least. */
  metrics(): Record<string, Figure> {
    return Object.fromEntries(Array.from(this.#means, ([metric, mean]) => [metric, mean.figure()]))
  }
}
