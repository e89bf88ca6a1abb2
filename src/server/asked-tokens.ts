// How many tokens a request for scores takes, before it is scored: for the queue and for usage.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { sliceMs } from '../calls/slices.ts'
import type { Text } from '../calls/text.ts'
import type { ScoreRequest } from '../scoring/request.ts'
import { idsOf } from './prompts.ts'
import type { Call } from './route.ts'

/**
 * Tokens of prompts and continuations, each encoded by itself, BOS among them; a prompt counts once, however many
 * continuations follow it, and an empty one as the token that it is scored after. Texts are encoded once more as they are
 * scored, by then in the place that they have in the queue. @throws 413 as soon as they are too many
 */
export async function askedTokens(
  asks: Iterable<ScoreRequest>,
  call: Call,
  addSpecialTokens?: boolean | null,
): Promise<number> {
  // Labels and queries come again with every text.
  const known = new Map<Text, number>()
  let tokens = 0
  let index = 0
  let turn = performance.now()
  for (const { prompt, continuations } of asks) {
    tokens += Math.max(1, await tokensOf(prompt, index, call, addSpecialTokens))
    for (const continuation of continuations) {
      const own = known.get(continuation) ?? (await tokensOf(continuation, index, call, false))
      known.set(continuation, own)
      tokens += own
    }
    call.app.admission.checkSize(tokens)
    index++
    // Short texts take no turn each, and there may be thousands.
    if (performance.now() - turn < sliceMs) continue
    await nextTurn()
    turn = performance.now()
  }
  return tokens
}

/** @param index of the ask, for messages */
async function tokensOf(
  text: Text,
  index: number,
  call: Call,
  addSpecialTokens?: boolean | null,
): Promise<number> {
  return typeof text === 'string' ? (await idsOf(text, index, call, addSpecialTokens)).length : text.length
}
