// Measures how long the turns of this process's event loop take, waits for a core apart.
import { existsSync, readFileSync } from 'node:fs'
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

const schedstat = '/proc/self/schedstat'

/** Why turns cannot be measured; undefined where they can. */
export const turnsMissing = existsSync(schedstat)
  ? undefined
  : `no ${schedstat} tells how long the main thread waited for a core`

/**
 * Adds to `turns`, until it holds 200, the ms that each turn of the event loop with a timer of 1 ms takes beyond the
 * time in which the main thread could have run and had no core: a busy machine makes that longer, and what is measured does not.
 */
export async function measureTurns(turns: number[]): Promise<void> {
  let last = performance.now() - waited()
  while (turns.length < 200) {
    await sleep(1)
    const now = performance.now() - waited()
    turns.push(now - last)
    last = now
  }
}

/** Of 200 turns the third longest. */
export function p99Of(turns: readonly number[]): number {
  return turns.toSorted((a, b) => a - b)[Math.floor(0.99 * turns.length)]!
}

/**
 * The ms for which the main thread runs in each of 200 turns of the event loop. What it waits for is left out, and so are turns in which
 * garbage is collected: V8's threads wait for each other there, for cores that others have, which takes 2 ms or 100.
 */
export async function measureWork(): Promise<number[]> {
  const collections: PerformanceEntry[] = []
  const observer = new PerformanceObserver(list => void collections.push(...list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  const turns: { begin: number; end: number; work: number }[] = []
  let begin = performance.now()
  let before = ran()
  while (turns.length < 200) {
    await sleep(1)
    const end = performance.now()
    const now = ran()
    turns.push({ begin, end, work: now - before })
    begin = end
    before = now
  }
  // Collections are told of a turn later.
  await sleep(10)
  observer.disconnect()
  const isQuiet = ({ begin, end }: { begin: number; end: number }) =>
    collections.every(({ startTime, duration }) => startTime > end || startTime + duration < begin)
  return turns.filter(isQuiet).map(({ work }) => work)
}

/** How long the main thread has run, in ms. */
function ran(): number {
  return Number(readFileSync(schedstat, 'utf8').split(' ')[0]) / 1e6
}

/** How long the main thread has waited for a core, in ms. */
function waited(): number {
  return Number(readFileSync(schedstat, 'utf8').split(' ')[1]) / 1e6
}
