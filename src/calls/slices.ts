// Long work on the event loop's thread, in slices: a generator that stops between them and returns what the work gives.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { abortedError } from '../native/job.ts'

/** Stops about once a millisecond of work; short work does not stop at all. */
export type Slices<Result> = Generator<undefined, Result, undefined>

/** Characters, ids or words that a slice of work handles, to take about a millisecond. */
export const sliceItems = 1 << 14
/** The event loop gets its turn after this much work, in ms, of all calls together. */
export const sliceMs = 3

/** Does all of the work at once. */
export function drain<Result>(work: Slices<Result>): Result {
  for (;;) {
    const step = work.next()
    if (step.done) return step.value
  }
}

/**
 * Does the work with turns of the event loop between. Work of a single slice is done when this returns, without a promise,
 * unless work of others has taken up the turn.
 * @throws ABORTED soon after one of the signals has fired
 */
export function inSlices<Result>(
  work: Slices<Result>,
  ...signals: (AbortSignal | undefined)[]
): Result | Promise<Result> {
  if (!hasRoom()) return goOn(work, signals)
  const step = work.next()
  return step.done ? step.value : goOn(work, signals)
}

/** What does one slice each, of calls in turn. */
const waiting: (() => void)[] = []
let isRunning = false
/** When this turn's work began; undefined where there was none. */
let turnBegan: number | undefined

/** Whether the turn of the event loop, which begins with the question, has room for more work. */
function hasRoom(): boolean {
  if (turnBegan !== undefined) return performance.now() - turnBegan < sliceMs
  turnBegan = performance.now()
  setImmediate(() => {
    turnBegan = undefined
  })
  return true
}

function goOn<Result>(work: Slices<Result>, signals: readonly (AbortSignal | undefined)[]): Promise<Result> {
  return new Promise((resolve, reject) => {
    const next = () => {
      try {
        const aborted = signals.find(signal => signal?.aborted)
        if (aborted) throw abortedError(aborted)
        const step = work.next()
        if (step.done) resolve(step.value)
        else waiting.push(next)
      } catch (error) {
        reject(error)
      }
    }
    waiting.push(next)
    if (!isRunning) void runWaiting()
  })
}

async function runWaiting(): Promise<void> {
  isRunning = true
  while (waiting.length > 0) {
    if (hasRoom()) waiting.shift()!()
    else await nextTurn()
  }
  isRunning = false
}
