// The bootstrap: means of samples that are drawn from a sample, with replacement (B. Efron, Bootstrap methods: another look at
// the jackknife, 1979). The seed is fixed, so equal values in equal order give equal bits.
import type { Slices } from '../calls/slices.ts'
import type { Interval } from './wilson.ts'

/** Values that are drawn for all resamples together, as far as the limits below leave it so: some 50 ms of work. */
const maxDraws = 1e7
/** Efron and Tibshirani (1993, section 14.2) want 1,000 for percentiles; beyond 10,000 little is gained. */
const minResamples = 1000
const maxResamples = 10_000
/** About a millisecond of work, or a resample where it is more. */
const drawsAtOnce = 1 << 16

/**
 * A statistic of 1,000 to 10,000 resamples, in ascending order. Resamples that do not have it, for which it is NaN, are left out.
 * @param n samples that there are, at least one; their order must be always the same
 * @param statistic is given the places of the samples that are drawn, n of them
 */
export function* bootstrap(n: number, statistic: (drawn: Int32Array) => number): Slices<Float64Array> {
  const count = Math.min(Math.max(Math.floor(maxDraws / n), minResamples), maxResamples)
  const values = new Float64Array(count)
  const random = Int32Array.of(0x9e3779b9, 0x243f6a88, 0xb7e15162, 1)
  // The first numbers still show the seed.
  draw(n, new Int32Array(16), random)
  const drawn = new Int32Array(n)
  let waiting = 0
  for (let i = 0; i < count; i++) {
    draw(n, drawn, random)
    values[i] = statistic(drawn)
    waiting += n
    if (waiting < drawsAtOnce) continue
    waiting = 0
    yield
  }
  const sorted = values.sort()
  // NaN is sorted to the end.
  const missing = sorted.findIndex(Number.isNaN)
  return missing < 0 ? sorted : sorted.subarray(0, missing)
}

/** Means of resamples, in ascending order. */
export function bootstrapMeans(values: readonly number[]): Slices<Float64Array> {
  const from = Float64Array.from(values)
  return bootstrap(values.length, drawn => {
    let sum = 0
    for (let i = 0; i < drawn.length; i++) sum += from[drawn[i]!]!
    return sum / drawn.length
  })
}

/** The percentile interval of 95 % (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3). */
export function middle95(sorted: Float64Array): Interval {
  return { low: percentile(sorted, 0.025), high: percentile(sorted, 0.975) }
}

/**
 * The value below which a share of the others lies, interpolated between neighbours as numpy.percentile() does.
 * @param sorted in ascending order, at least one
 * @param share 0 to 1
 */
export function percentile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1)
  const below = Math.floor(place)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below]! + (place - below) * (sorted[above]! - sorted[below]!)
}

/**
 * Draws places from 0 to n - 1 by random numbers, always the same ones: sfc32 of C. Doty-Humphrey's PractRand. Its own
 * function with numbers in local variables, since in a generator or a closure it takes ten times as long.
 * @param random sfc32's four words, which are changed
 */
function draw(n: number, drawn: Int32Array, random: Int32Array): void {
  let [a, b, c, counter] = random as unknown as [number, number, number, number]
  for (let i = 0; i < drawn.length; i++) {
    const word = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + word) | 0
    drawn[i] = ((word >>> 0) / 2 ** 32) * n
  }
  random[0] = a
  random[1] = b
  random[2] = c
  random[3] = counter
}
