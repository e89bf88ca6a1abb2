// Calls that ask a model about each of their items by scores, and make an answer of them: classification and ranking.
import { onLeave } from '../calls/leaving.ts'
import { notFiniteCause } from '../calls/not-finite.ts'
import type { Slices } from '../calls/slices.ts'
import { shown } from '../data/shown.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'
import {
  type EncodeContext,
  type EncodedRequest,
  type EncodeSettings,
  encodeRequest,
} from '../scoring/encode.ts'
import type { ReadRequest } from '../scoring/read-request.ts'
import type { ScoreResult } from '../scoring/request.ts'

/** How the items of a call are asked about and judged. Both methods are called once an item, in the order of the items. */
export interface ItemJudge<Answer> {
  /** What messages call an item; with an s, all of them. */
  readonly itemName: 'text' | 'document'
  /** What is scored for an item. @throws INVALID_ARGUMENT */
  asks(item: string, index: number): ReadRequest[]
  /** @param logLikelihoods of the continuations of all asks, one after the other */
  judge(logLikelihoods: readonly number[], truncatedTokens: number): Answer
}

/** @throws INVALID_ARGUMENT for an item that is no text, or an empty one */
export function readItem(item: unknown, index: number, name: string): string {
  if (typeof item === 'string' && item !== '') return item
  const found = item === '' ? 'empty' : shown(item)
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    `${name} ${index} is ${found}; expected a text that is not empty`,
  )
}

/** What is asked about an item as one request, whose continuations are those of all asks. */
export function* encodeAsks(
  context: EncodeContext,
  judge: Pick<ItemJudge<unknown>, 'asks'>,
  item: string,
  index: number,
  settings: EncodeSettings,
): Slices<EncodedRequest> {
  const all: EncodedRequest = { sequences: [], truncatedTokens: 0, skipped: false }
  for (const ask of judge.asks(item, index)) {
    const { sequences, truncatedTokens } = yield* encodeRequest(context, ask, index, settings)
    for (const sequence of sequences) all.sequences.push({ ...sequence, continuation: all.sequences.length })
    all.truncatedTokens = Math.max(all.truncatedTokens, truncatedTokens)
  }
  return all
}

/**
 * The answers to the items, from the scores of their asks.
 * @param dtype of the model, for messages
 * @throws SCORE_NOT_FINITE naming the item, and what scoring throws, which names items too
 */
export function answersOf<Answer>(
  judge: ItemJudge<Answer>,
  results: AsyncGenerator<ScoreResult, void, undefined>,
  dtype: string,
): AsyncGenerator<Answer, void, undefined> {
  return onLeave(inTurn(judge, results, dtype), () => void results.return())
}

async function* inTurn<Answer>(
  judge: ItemJudge<Answer>,
  results: AsyncGenerator<ScoreResult, void, undefined>,
  dtype: string,
): AsyncGenerator<Answer, void, undefined> {
  let index = 0
  try {
    for await (const { continuations, truncatedTokens } of results) {
      const logLikelihoods = continuations.map(({ logLikelihood }) => logLikelihood)
      const wrong = logLikelihoods.find(value => !Number.isFinite(value))
      if (wrong !== undefined)
        throw new MtLlamaError(
          'SCORE_NOT_FINITE',
          message`${{ kind: 'request', index }}: a log-likelihood is ${wrong}. ${notFiniteCause(dtype)}`,
        )
      yield judge.judge(logLikelihoods, truncatedTokens)
      index++
    }
  } catch (error) {
    const named = (index: number): Message => message`${judge.itemName} ${index}`
    throw error instanceof MtLlamaError
      ? error.reworded(term => (term.kind === 'request' ? named(term.index) : undefined))
      : error
  }
}
