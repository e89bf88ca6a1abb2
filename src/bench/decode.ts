// Times decoding: steps that run one token for each of some sequences. A step reads every weight once, and all keys and
// values.
import { nativeJob } from '../native/job.ts'
import type { NativeModel } from '../native/types.ts'
import { type BenchContext, greedy, micros, runNative, someIds } from './context.ts'
import { boundOf, stepFlops, stepKvBytes, stepWeightBytes } from './counts.ts'
import type { DecodeReport } from './report.ts'
import { timingOf } from './timing.ts'

export const decodeSequences: readonly number[] = [1, 8, 32]
/** Maximum positions of a sequence: its prompt, a step that is not timed, and the steps that are. */
export const decodePositions = 64
const promptTokens = 16
const seconds = 2
const minSteps = 5
/** Positions a model must have: one for a prompt, one for the step that is not timed, and one for a step that is. */
export const minDecodeContext = 3

export async function timeDecode(
  context: BenchContext,
  model: NativeModel,
  sequences: number,
): Promise<DecodeReport> {
  const { config, native, peaks, signal } = context
  context.onStep(`${sequences} sequence${sequences === 1 ? '' : 's'}`)
  const capacity = Math.min(decodePositions, config.contextLength)
  const prompt = Math.min(promptTokens, Math.ceil(capacity / 4))
  const session = await nativeJob(() => model.session())
  const samplings = Array.from({ length: sequences }, () => greedy)
  // Appends `each` tokens to every sequence, which holds `length` tokens before.
  const step = async (ids: Int32Array, length: number, each: number) => {
    const places = Array.from({ length: sequences }, (_, i) => [i * capacity, length, i])
    const offsets = Int32Array.from({ length: sequences + 1 }, (_, i) => i * each)
    const next = await runNative(signal, control =>
      session.step(Int32Array.from(places.flat()), samplings, offsets, ids, control),
    )
    return next.ids
  }
  try {
    await runNative(signal, control => session.resize(sequences * capacity, new Int32Array(0), control))
    let ids = await step(someIds(config, 0, sequences * prompt), 0, prompt)
    ids = await step(ids, prompt, 1)
    const first = prompt + 1
    const times: number[] = []
    for (let spent = 0; first + times.length < capacity; spent += times.at(-1)!) {
      if (spent >= seconds && times.length >= minSteps) break
      const start = performance.now()
      ids = await step(ids, first + times.length, 1)
      times.push((performance.now() - start) / 1000)
    }
    const timing = timingOf(times)
    const middle = first + Math.ceil(times.length / 2)
    const flops = stepFlops(config, sequences, middle)
    const weightBytes = stepWeightBytes(config, native.dtype)
    const kvBytes = stepKvBytes(config, sequences, middle)
    const bytes = weightBytes + kvBytes
    return {
      ...{ sequences, steps: times.length, positions: first, ...micros(timing), flops, weightBytes, kvBytes },
      tokensPerSecond: sequences / timing.seconds,
      gigabytesPerSecond: bytes / timing.seconds / 1e9,
      ...boundOf({ flops, bytes, seconds: timing.seconds }, peaks, native.dtype),
    }
  } finally {
    session.dispose()
  }
}
