// Estimates the tokens that a call will run, of the prompts that it has read.
import type { Continuation } from './continuation.ts'
import { sharedTokens } from './kv-rows.ts'

export class ExpectedTokens {
  /** Prompts that were read. */
  prompts = 0
  private promptTokens = 0
  private readonly open = new Set<Continuation>()
  private ended = 0
  private endedTokens = 0

  /** @param texts of one prompt; none: it is skipped */
  add(texts: readonly Continuation[]): void {
    this.prompts++
    for (const [i, { prompt }] of texts.entries())
      this.promptTokens += prompt.ids.length - (i > 0 ? sharedTokens(prompt.ids) : 0)
    for (const text of texts) this.open.add(text)
  }

  /** To be called when texts have ended. */
  takeEnded(): void {
    for (const text of this.open) {
      if (!text.ended) continue
      this.open.delete(text)
      this.ended++
      this.endedTokens += Math.min(text.tokens.length, newTokensRun(text))
    }
  }

  /** Tokens of the prompts, new ones, and new ones to come: as many for each text as those that ended had. */
  get tokens(): number {
    return this.promptTokens + this.endedTokens + this.tokensToCome()
  }

  private tokensToCome(): number {
    if (this.ended > 0) return Math.round((this.open.size * this.endedTokens) / this.ended)
    return [...this.open].reduce((sum, text) => sum + newTokensRun(text), 0)
  }
}

/** The new tokens that are run of a text at the most: after the last one nothing is predicted. */
function newTokensRun({ capacity, prompt }: Continuation): number {
  return capacity - prompt.ids.length
}
