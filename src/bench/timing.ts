// Repeats something and says how long it takes.

export interface Timing {
  /** The median time of a run, in seconds. */
  seconds: number
  /** The 10th percentile, followed by the 90th. */
  secondsP10: number
  secondsP90: number
  runs: number
}

/** Runs an action once to warm up, then for about `seconds` and at least `minRuns` times. */
export async function timeRuns(
  run: () => Promise<unknown>,
  { seconds, minRuns }: { seconds: number; minRuns: number },
): Promise<Timing> {
  await run()
  const times: number[] = []
  for (let spent = 0; times.length < minRuns || spent < seconds; spent += times.at(-1)!) {
    const start = performance.now()
    await run()
    times.push((performance.now() - start) / 1000)
  }
  return timingOf(times)
}

export function timingOf(times: readonly number[]): Timing {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (place: number) => sorted[Math.min(sorted.length - 1, Math.floor(place * sorted.length))]!
  return {
    ...{ seconds: at(0.5), secondsP10: at(0.1) },
    ...{ secondsP90: sorted[sorted.length - 1 - Math.floor(0.1 * sorted.length)]!, runs: times.length },
  }
}
