// Lines {"prompt": ..., "continuations": [...]} answered by their log-likelihoods.
import { notFiniteCause } from '../calls/not-finite.ts'
import { kind, list } from '../data/fields.ts'
import { MtLlamaError, message } from '../errors.ts'
import type { Model } from '../model.ts'
import type { ContinuationScore, ScoreRequest, ScoreResult, TooLong } from '../scoring/request.ts'
import type { BoundaryRule } from '../tokenizer/boundary.ts'
import type { Answering } from './answering.ts'
import { type InputLine, textOrIds } from './input-line.ts'

/** What decides the answers beside the model. */
export interface ScoreLineOptions {
  boundary: BoundaryRule
  tooLong: TooLong
  /** Best alternatives to report per token. */
  topK: number
  /** Whether null is written for a log-probability that is NaN or infinite; else it is an error. */
  allowNan: boolean
}

/** The fields that every answer has. */
export const scoreAnswerFields = ['continuations', 'truncatedTokens']

export function scoreAnswering(
  model: Model,
  { allowNan, ...options }: ScoreLineOptions,
  signal: AbortSignal,
): Answering<ScoreRequest, ScoreResult> {
  return {
    fields: ['prompt', 'continuations'],
    parse: parseRequest,
    ask: (requests, { onWrong, onProgress }) =>
      model.scoreOrSkip(
        requests,
        {
          ...{ ...options, signal },
          onProgress: ({ requestsDone, requestsTotal, requestsPlanned, ...tokens }) =>
            onProgress({ done: requestsDone, total: requestsTotal, planned: requestsPlanned, ...tokens }),
        },
        onWrong,
      ),
    show: ({ continuations, truncatedTokens, skipped }, index) => {
      if (!allowNan) checkFinite(continuations, index, model.info.dtype)
      return { continuations, truncatedTokens, skipped }
    },
  }
}

const continuationList = kind(
  'a list of texts or of lists of token ids, at least one',
  (value): value is (string | number[])[] => list.is(value) && value.length > 0 && value.every(textOrIds.is),
)

function parseRequest(line: InputLine): ScoreRequest {
  const prompt = line.read('prompt', textOrIds)
  const continuations = line.read('continuations', continuationList)
  const empty = continuations.findIndex(continuation => continuation.length === 0)
  if (empty >= 0)
    throw line.wrong(`continuations[${empty}]`, 'at least one character or id', continuations[empty])
  return { prompt, continuations }
}

/** JSON has no NaN: JSON.stringify() would print null without a word. @throws SCORE_NOT_FINITE */
function checkFinite(continuations: readonly ContinuationScore[], request: number, dtype: string): void {
  const index = continuations.findIndex(
    ({ logLikelihood, topAlternatives = [] }) =>
      !Number.isFinite(logLikelihood) ||
      topAlternatives.flat().some(({ logProb }) => !Number.isFinite(logProb)),
  )
  if (index < 0) return
  throw new MtLlamaError(
    'SCORE_NOT_FINITE',
    message`${{ kind: 'request', index: request }}, continuation ${index}: a log-probability is NaN or infinite. ${notFiniteCause(dtype)}; ${{ kind: 'option', name: 'allowNan' }} prints null for such a number and goes on.`,
  )
}
