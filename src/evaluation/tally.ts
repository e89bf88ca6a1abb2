// Adds up a task's sample records to its metrics.

import { isNotFinite } from './not-finite.ts'
import type { AnswerMetrics, ChoiceMetrics, SampleRecord } from './results.ts'

export class Tally {
  samples = 0
  ties = 0
  truncated = 0
  notFinite = 0
  #choice = { accuracy: 0, accuracyNormalised: 0 }
  #answer = { exactMatch: 0, f1: 0 }
  #kind: 'choice' | 'answer' = 'choice'

  add(record: SampleRecord): void {
    this.samples++
    if (record.truncatedTokens > 0) this.truncated++
    if (isNotFinite(record)) this.notFinite++
    if ('choices' in record) {
      this.#choice.accuracy += Number(record.correct)
      this.#choice.accuracyNormalised += Number(record.correctNormalised)
      this.ties += Number(record.tied)
    } else {
      this.#kind = 'answer'
      this.#answer.exactMatch += record.exactMatch
      this.#answer.f1 += record.f1
    }
  }

  /** Means over the samples. There must be at least one. */
  metrics(): ChoiceMetrics | AnswerMetrics {
    const n = this.samples
    return this.#kind === 'choice'
      ? { accuracy: this.#choice.accuracy / n, accuracyNormalised: this.#choice.accuracyNormalised / n }
      : { exactMatch: this.#answer.exactMatch / n, f1: this.#answer.f1 / n }
  }
}
