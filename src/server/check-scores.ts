// Scores that JSON cannot hold.
import { notFiniteCause } from '../calls/not-finite.ts'
import { MtLlamaError, message } from '../errors.ts'
import type { Model } from '../model.ts'
import type { ScoreResult } from '../scoring/request.ts'

/**
 * JSON has no NaN and no infinity: it would print null without a word.
 * @param index of the request
 * @throws SCORE_NOT_FINITE
 */
export function checkScores({ continuations }: ScoreResult, index: number, { info }: Model): void {
  const wrong = continuations.findIndex(
    ({ logLikelihood, topAlternatives = [] }) =>
      !Number.isFinite(logLikelihood) ||
      topAlternatives.some(best => !best.every(({ logProb }) => Number.isFinite(logProb))),
  )
  if (wrong < 0) return
  throw new MtLlamaError(
    'SCORE_NOT_FINITE',
    message`${{ kind: 'request', index }}, continuation ${wrong}: a log-probability is NaN or infinite. ${notFiniteCause(info.dtype)}`,
  )
}
