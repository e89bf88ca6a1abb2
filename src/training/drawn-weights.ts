// The random numbers that weights begin with: a function of the run's seed and the tensor's name, whatever else is drawn.
import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type PhiloxCounter, type PhiloxKey, philox, philoxKey } from './philox.ts'

/** Where the numbers of a tensor come from. */
export interface DrawnStream {
  key: PhiloxKey
  /** Words of the counter that stand for the tensor; the first word counts. */
  words: readonly [number, number, number]
}

/** Calls of the generator in a turn of the event loop: a few ms. */
const callsOfTurn = 16_384

/** @param seed a whole number from 0 to 2^53 - 1 */
export function drawnStream(seed: number, name: string): DrawnStream {
  const digest = createHash('sha256').update(name).digest()
  return {
    key: philoxKey(seed),
    words: [digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8)],
  }
}

/** Numbers that are evenly distributed from -bound to bound. @param count below 2^34 */
export function uniformNumbers(count: number, bound: number, stream: DrawnStream): Promise<Float32Array> {
  return drawn(count, stream, (words, put) => {
    for (const word of words) put(bound * (2 * fraction(word) - 1))
  })
}

/** Numbers of the normal distribution around 0, by Box and Muller 1958. @param std their standard deviation */
export function normalNumbers(count: number, std: number, stream: DrawnStream): Promise<Float32Array> {
  return drawn(count, stream, ([a, b, c, d], put) => {
    for (const [first, second] of [
      [a, b],
      [c, d],
    ] as const) {
      const radius = std * Math.sqrt(-2 * Math.log(fraction(first)))
      const angle = 2 * Math.PI * fraction(second)
      put(radius * Math.cos(angle))
      put(radius * Math.sin(angle))
    }
  })
}

/** Calls a function with the four words of each draw until it has put so many numbers, four at a time. */
async function drawn(
  count: number,
  { key, words }: DrawnStream,
  numbersOf: (words: PhiloxCounter, put: (value: number) => void) => void,
): Promise<Float32Array> {
  const values = new Float32Array(4 * Math.ceil(count / 4))
  let filled = 0
  const put = (value: number) => {
    values[filled++] = value
  }
  for (let call = 0; filled < count; call++) {
    if (call % callsOfTurn === callsOfTurn - 1) await nextTurn()
    numbersOf(philox([call, ...words], key), put)
  }
  return values.subarray(0, count)
}

/** The middle of the word's share of the numbers from 0 to 1, neither of which it is. */
function fraction(word: number): number {
  return (word + 0.5) / 2 ** 32
}
