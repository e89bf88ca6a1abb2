// The bootstrap: means of samples that are drawn from a sample, with replacement (B. Efron, Bootstrap methods: another look at
// the jackknife, 1979). The seed is fixed, so equal values in equal order give equal bits.
import type { Slices } from '../calls/slices.ts'

/** Values that are drawn for all resamples together, as far as the limits below leave it so: some 50 ms of work. */
const maxDraws = 1e7
/** Efron and Tibshirani (1993, section 14.2) want 1,000 for percentiles; beyond 10,000 little is gained. */
const minResamples = 1000
const maxResamples = 10_000
/** About a millisecond of work. */
const drawsAtOnce = 1 << 17

/** Means of 1,000 to 10,000 resamples, in ascending order. @param values at least one, in an order that is always the same */
export function* bootstrapMeans(values: readonly number[]): Slices<Float64Array> {
  const n = values.length
  const from = Float64Array.from(values)
  const count = Math.min(Math.max(Math.floor(maxDraws / n), minResamples), maxResamples)
  const means = new Float64Array(count)
  const random = Int32Array.of(0x9e3779b9, 0x243f6a88, 0xb7e15162, 1)
  // The first numbers still show the seed.
  drawnSum(from, 16, random)
  let waiting = 0
  for (let i = 0; i < count; i++) {
    let sum = 0
    for (let left = n; left > 0; left -= drawsAtOnce) {
      const draws = Math.min(left, drawsAtOnce)
      sum += drawnSum(from, draws, random)
      waiting += draws
      if (waiting < drawsAtOnce) continue
      waiting = 0
      yield
    }
    means[i] = sum / n
  }
  return means.sort()
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
 * The sum of values that are drawn by random numbers, always the same ones: sfc32 of C. Doty-Humphrey's PractRand. Its own
 * function with numbers in local variables, since in a generator or a closure it takes ten times as long.
 * @param random sfc32's four words, which are changed
 */
function drawnSum(from: Float64Array, draws: number, random: Int32Array): number {
  let [a, b, c, counter] = random as unknown as [number, number, number, number]
  let sum = 0
  for (let i = 0; i < draws; i++) {
    const word = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + word) | 0
    sum += from[Math.floor(((word >>> 0) / 2 ** 32) * from.length)]!
  }
  random[0] = a
  random[1] = b
  random[2] = c
  random[3] = counter
  return sum
}
