// What the parts of a benchmark share.

import type { LlamaConfig } from '../checkpoint/checkpoint.ts'
import { cancel, nativeJob, newControl, onAbort } from '../native/job.ts'
import type { Control, NativeLoadOptions, NativePeaks, NativeSampling } from '../native/types.ts'
import type { Timing } from './timing.ts'

export interface BenchContext {
  config: LlamaConfig
  native: NativeLoadOptions
  peaks: NativePeaks
  signal: AbortSignal
  /** Called with the name of each step as it begins. */
  onStep(step: string): void
}

export const greedy: NativeSampling = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 }

/** Runs a native job that ends with ABORTED when the signal fires. */
export async function runNative<T>(signal: AbortSignal, work: (control: Control) => Promise<T>): Promise<T> {
  const control = newControl()
  const stopListening = onAbort(signal, () => cancel(control))
  try {
    return await nativeJob(() => work(control))
  } finally {
    stopListening()
  }
}

/** Makes `count` ids that look random. */
export function someIds(config: LlamaConfig, start: number, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => ((start + i) * 7919) % config.vocabSize)
}

export function micros({ seconds, secondsP10, secondsP90 }: Omit<Timing, 'runs'>) {
  return {
    microseconds: 1e6 * seconds,
    microsecondsP10: 1e6 * secondsP10,
    microsecondsP90: 1e6 * secondsP90,
  }
}
