// A seeded order of 0 .. size - 1, any place of which is found by itself: no list of the size is held.
import { type PhiloxKey, philox } from './philox.ts'

/** Which of a seed's many orders: they have nothing to do with each other. */
export interface Order {
  key: PhiloxKey
  /** Tells apart what is put in order: words of 32 bits. */
  stream: number
  epoch: number
}

/** As many as the format-preserving cipher FF3-1 has (NIST SP 800-38G); four make a permutation that looks random. */
const rounds = 8

/**
 * The number at a place of the order: a Feistel network over the smallest domain of 4^n numbers that holds `size`, walked
 * until the number is below `size` (Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains"). Four steps are
 * expected at the most.
 * @param place from 0 to size - 1
 * @param size from 1 to 2^52
 */
export function permuted(place: number, size: number, order: Order): number {
  const half = 2 ** Math.max(1, Math.ceil(Math.log2(size) / 2))
  let number = place
  do number = encrypted(number, half, order)
  while (number >= size)
  return number
}

/** @param half a power of two, up to 2^26; numbers are below its square */
function encrypted(number: number, half: number, { key, stream, epoch }: Order): number {
  let left = Math.floor(number / half)
  let right = number % half
  for (let round = 0; round < rounds; round++) {
    const [word] = philox([right, round, stream, epoch], key)
    ;[left, right] = [right, (left ^ word) & (half - 1)]
  }
  return left * half + right
}
