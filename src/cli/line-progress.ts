// Shows how far a run over lines is.
import { expectedTokens } from '../calls/expected-tokens.ts'
import type { CallProgress } from '../lines/answering.ts'
import type { Progress } from './progress.ts'

/** Of the lines that are run: those whose answers were found take no time. */
export class LineProgress {
  /** Lines of the input, once they are counted. */
  lines: number | undefined
  /** Lines that were read whose answers were found. */
  foundRead = 0
  private readonly shown: Progress
  private readonly found: number

  constructor(shown: Progress, found: number) {
    this.shown = shown
    this.found = found
  }

  update({ done, total, planned, ...tokens }: CallProgress): void {
    const all = this.lines ?? total
    const ours = all === undefined ? undefined : all - this.found
    this.shown.update({
      ...{ done: Math.max(done - this.foundRead, 0), total: ours, tokensPerSecond: tokens.tokensPerSecond },
      tokens: { done: tokens.tokensDone, total: expectedTokens(tokens, planned - this.foundRead, ours) },
    })
  }

  stop(): void {
    this.shown.stop()
  }
}
