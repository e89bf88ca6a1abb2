// Times how fast prompts are read: one long sequence of which the last row is scored.

import { MtLlamaError } from '../errors.ts'
import type { NativeModel, NativePack } from '../native/types.ts'
import { type BenchContext, greedy, micros, runNative, someIds } from './context.ts'
import { boundOf, prefillFlops } from './counts.ts'
import type { PrefillReport } from './report.ts'
import { timeRuns } from './timing.ts'

const maxTokens = 512
/** Length of the sequence that is scored by a pack and by a session, to compare them before anything is timed. */
const checkedTokens = 32

/** Times prefill of `tokens` tokens. @throws INTERNAL where a session predicts otherwise than scoring does */
export async function timePrefill(context: BenchContext, model: NativeModel): Promise<PrefillReport> {
  const { config, native, peaks, signal } = context
  context.onStep('checking')
  await check(context, model, someIds(config, 0, Math.min(checkedTokens, config.contextLength)))
  const tokens = Math.min(maxTokens, config.contextLength)
  context.onStep(`${tokens} ids`)
  const pack = lastRow(someIds(config, 0, tokens), 0)
  const timing = await timeRuns(() => runNative(signal, control => model.score(pack, control)), {
    seconds: 2,
    minRuns: 3,
  })
  const { seconds, runs } = timing
  const flops = prefillFlops(config, tokens)
  return {
    ...{ tokens, runs, ...micros(timing), flops },
    ...{ tokensPerSecond: tokens / seconds, gflopPerSecond: flops / seconds / 1e9 },
    ...boundOf({ flops, bytes: 0, seconds }, peaks, native.dtype),
  }
}

/** Checks that a session's step gives the same token with the same log-probability, bit for bit. */
async function check({ signal }: BenchContext, model: NativeModel, ids: Int32Array): Promise<void> {
  const session = model.session()
  const [first, whole] = [Int32Array.of(0, 0, 0), Int32Array.of(0, ids.length)]
  const step = await runNative(signal, async control => {
    await session.resize(ids.length, new Int32Array(0), control)
    return session.step(first, [greedy], whole, ids, control)
  }).finally(session.dispose)
  const scores = await runNative(signal, control => model.score(lastRow(ids, step.ids[0]!), control))
  const found = [scores.argmax[0], scores.logProbs[0]]
  const expected = [step.ids[0], step.logProbs[0]]
  if (found.every((value, i) => Object.is(value, expected[i]) && Number.isFinite(value))) return
  throw new MtLlamaError(
    'INTERNAL',
    `scoring predicts token ${found[0]} with log-probability ${found[1]}, a session token ${expected[0]} with ` +
      `${expected[1]}: nothing was timed`,
  )
}

/** Makes a pack of one sequence of which the last row is scored. */
function lastRow(ids: Int32Array, target: number): NativePack {
  return {
    ids,
    positions: ids.map((_, i) => i),
    branchStart: new Int32Array(ids.length),
    trees: Int32Array.of(0, ids.length, 0),
    rows: Int32Array.of(ids.length - 1),
    targets: Int32Array.of(target),
    topK: 0,
  }
}
