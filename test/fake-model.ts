// A model without weights, and settings to run it with, for tests of the evaluation.
import { fileURLToPath } from 'node:url'
import type { Settings } from '../src/evaluation/results.ts'
import type { Scorer } from '../src/evaluation/scorer.ts'
import { perplexityResult } from '../src/scoring/rolling.ts'

const dataDir = fileURLToPath(new URL('../default/data', import.meta.url))

export const settings: Settings = {
  ...{ version: '0.0.0', protocol: 'card', modelFingerprint: 'f00d', dtype: 'float32', backend: 'fake' },
  ...{ addBos: true, tooLong: 'error', dataDir, limit: null },
}

/**
 * Makes a model that scores a continuation by its length, so that longer choices lose, and answers every question alike.
 * @param before called with the number of each request of a choice task, and of each call for answers; may throw
 */
export function fakeModel(before: (request: number) => void = () => {}): Scorer {
  let count = 0
  return {
    info: {
      ...{ path: '/models/fake', fingerprint: 'f00d', dtype: 'float32', backend: 'fake', addBos: true },
    },
    tokenizer: undefined,
    async *scoreStream(requests, options) {
      for await (const { continuations } of requests) {
        before(count++)
        options?.onProgress?.({
          ...{
            requestsDone: count,
            requestsTotal: undefined,
            tokensDone: 10 * count,
            tokensTotal: undefined,
            requestsPlanned: count,
            tokensPlanned: 10 * count,
          },
          tokensPerSecond: 1,
        })
        yield {
          continuations: continuations.map(text => ({
            logLikelihood: -text.length,
            tokenLogProbs: [-text.length],
            isGreedy: false,
            tokens: [1],
          })),
          truncatedTokens: 0,
          skipped: false,
        }
      }
    },
    async perplexity(text) {
      before(count++)
      return perplexityResult(-text.length, 1, String(text))
    },
    async *generateEach(prompts) {
      before(count++)
      for await (const _ of prompts)
        yield { text: ' the mill ', tokens: [1], finishReason: 'stop', logProbs: [0], truncatedTokens: 0 }
    },
  }
}
