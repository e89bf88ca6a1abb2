// Whether an evaluation has done more than earlier runs into its folder, for what is said where it is stopped.
import type { EvaluateProgress, KeptSamples } from '../evaluation/run.ts'

export const nothingNew = 'nothing new was done'

export class NewSamples {
  /** Whether there are samples that no earlier run had done. */
  some = false
  private readonly kept = new Map<string, number>()

  keep({ task, samplesKept, reason }: KeptSamples): void {
    if (reason === 'done') this.kept.set(task, samplesKept)
  }

  add({ task, samplesDone }: EvaluateProgress): void {
    if (samplesDone > (this.kept.get(task) ?? 0)) this.some = true
  }
}
