// Adds up a task's sample records to its metrics.
import { type Figure, figureOf } from '../metrics/mean.ts'
import { isNotFinite } from './not-finite.ts'
import type { SampleRecord } from './results.ts'

export class Tally {
  samples = 0
  ties = 0
  failed = 0
  truncated = 0
  notFinite = 0
  readonly #scores = new Map<string, number[]>()

  add(record: SampleRecord): void {
    this.samples++
    if (record.tied) this.ties++
    if (record.failed) this.failed++
    if (record.truncatedTokens > 0) this.truncated++
    if (isNotFinite(record)) this.notFinite++
    for (const [metric, score] of Object.entries(record.scores)) {
      const scores = this.#scores.get(metric)
      if (scores) scores.push(score)
      else this.#scores.set(metric, [score])
    }
  }

  /** There must be one sample at least, and no other until this is done. */
  async metrics(): Promise<Record<string, Figure>> {
    const figures: Record<string, Figure> = {}
    for (const [metric, scores] of this.#scores) figures[metric] = await figureOf(scores)
    return figures
  }
}
