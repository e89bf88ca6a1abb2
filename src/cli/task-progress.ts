// Shows how far an evaluation is.
import type { EvaluateProgress } from '../evaluation/run.ts'
import type { CommonOptions } from './command.ts'
import { type Progress, startProgress } from './progress.ts'

/** Shows a progress bar for each task, one after the other. */
export function taskProgress(options: CommonOptions): {
  update: (progress: EvaluateProgress) => void
  stop: () => void
} {
  let shown: { task: string; bar: Progress } | undefined
  return {
    update({ task, title, samplesDone, samplesTotal, tokens, tokensTotal, seconds }) {
      if (shown?.task !== task) {
        shown?.bar.stop()
        shown = { task, bar: startProgress(title, 'samples', options) }
      }
      shown.bar.update({
        ...{ done: samplesDone, total: samplesTotal },
        ...{
          tokens: { done: tokens, total: tokensTotal },
          tokensPerSecond: seconds > 0 ? tokens / seconds : 0,
        },
      })
    },
    stop: () => shown?.bar.stop(),
  }
}
