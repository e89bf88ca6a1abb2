// Long work on the event loop's thread, in slices: a generator that stops between them and returns what the work gives.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { abortedError } from '../native/job.ts'

/** Stops about once a millisecond of work; short work does not stop at all. */
export type Slices<Result> = Generator<undefined, Result, undefined>

/** Characters, ids or words that a slice of work handles, to take about a millisecond. */
export const sliceItems = 1 << 14
/** The event loop gets its turn after this much work, in ms. */
export const sliceMs = 3

/** Does all of the work at once. */
export function drain<Result>(work: Slices<Result>): Result {
  for (;;) {
    const step = work.next()
    if (step.done) return step.value
  }
}

/**
 * Does the work with turns of the event loop between. Work of a single slice is done when this returns, without a promise.
 * @throws ABORTED soon after one of the signals has fired
 */
export function inSlices<Result>(
  work: Slices<Result>,
  ...signals: (AbortSignal | undefined)[]
): Result | Promise<Result> {
  const step = work.next()
  return step.done ? step.value : goOn(work, signals)
}

async function goOn<Result>(
  work: Slices<Result>,
  signals: readonly (AbortSignal | undefined)[],
): Promise<Result> {
  let turn = performance.now()
  for (;;) {
    if (performance.now() - turn >= sliceMs) {
      await nextTurn()
      turn = performance.now()
    }
    const aborted = signals.find(signal => signal?.aborted)
    if (aborted) throw abortedError(aborted)
    const step = work.next()
    if (step.done) return step.value
  }
}
