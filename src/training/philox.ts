// Philox4x32-10, a counter-based generator: its words are a function of key and counter alone, so that any draw of a run can
// be made by itself (Salmon, Moraes, Dror and Shaw 2011, "Parallel Random Numbers: As Easy as 1, 2, 3").

/** The seed of a run as a key: two words of 32 bits, the lower one first. */
export type PhiloxKey = readonly [low: number, high: number]
export type PhiloxCounter = readonly [number, number, number, number]

const rounds = 10
const multipliers = [0xd2511f53, 0xcd9e8d57] as const
/** What is added to the key after each round: the golden ratio and the square root of 3, less 1. */
const weyl = [0x9e3779b9, 0xbb67ae85] as const

/** @param seed a whole number from 0 to 2^53 - 1 */
export function philoxKey(seed: number): PhiloxKey {
  return [seed >>> 0, Math.floor(seed / 2 ** 32)]
}

/**
 * The four words of a counter.
 * @param counter words of 32 bits, from 0 to 2^32 - 1
 */
export function philox(counter: PhiloxCounter, [low, high]: PhiloxKey): PhiloxCounter {
  let [a, b, c, d] = counter
  let [k0, k1] = [low, high]
  for (let round = 0; round < rounds; round++) {
    const [m0, m1] = multipliers
    const a1 = (highWord(m1, c) ^ b ^ k0) >>> 0
    const c1 = (highWord(m0, a) ^ d ^ k1) >>> 0
    b = Math.imul(m1, c) >>> 0
    d = Math.imul(m0, a) >>> 0
    a = a1
    c = c1
    k0 = (k0 + weyl[0]) >>> 0
    k1 = (k1 + weyl[1]) >>> 0
  }
  return [a, b, c, d]
}

/** The upper 32 bits of a product of two words, in halves whose products a double holds exactly. */
function highWord(x: number, y: number): number {
  const [xLow, xHigh, yLow, yHigh] = [x & 0xffff, x >>> 16, y & 0xffff, y >>> 16]
  const middle = xHigh * yLow + ((xLow * yLow) >>> 16)
  const other = xLow * yHigh + (middle & 0xffff)
  return xHigh * yHigh + (middle >>> 16) + (other >>> 16)
}
