// The numbers of Python's module random: a Mersenne Twister (MT19937) with its seeding by an array, and the draw of choice().
import type { Draw } from '../templates/runtime.ts'

/** Words of the twister's state, and the distance of the words that are mixed. */
const size = 624
const distance = 397

/**
 * The draws of random.choice() after random.seed(seed): each takes as many bits as the length of the list has, again
 * and again until the number is below that length (CPython, Lib/random.py and Modules/_randommodule.c).
 * @param seed a whole number of any size; its sign does not count
 */
export function pythonRandom(seed: number | bigint): Draw {
  // Seeding takes longer than most templates do, and most draw nothing.
  let seeded: (() => number) | undefined
  const next = () => {
    seeded ??= twister(wordsOf(seed))
    return seeded()
  }
  return length => {
    const bits = Math.floor(Math.log2(length)) + 1
    for (;;) {
      const value = bits <= 32 ? next() >>> (32 - bits) : next() + (next() >>> (64 - bits)) * 2 ** 32
      if (value < length) return value
    }
  }
}

/** The number's words of 32 bits, the lowest first. */
function wordsOf(seed: number | bigint): Uint32Array {
  const words: number[] = []
  const number = BigInt(seed)
  for (let rest = number < 0n ? -number : number; rest > 0n || words.length === 0; rest >>= 32n)
    words.push(Number(rest & 0xffffffffn))
  return Uint32Array.from(words)
}

/** Makes a generator of whole numbers of 32 bits (Matsumoto and Nishimura 2002, init_by_array and genrand_int32). */
function twister(key: Uint32Array): () => number {
  const state = new Uint32Array(size)
  state[0] = 19650218
  for (let i = 1; i < size; i++) state[i] = Math.imul(1812433253, mixed(state[i - 1]!)) + i
  let i = 1
  const step = () => {
    if (++i < size) return
    state[0] = state[size - 1]!
    i = 1
  }
  for (let k = 0, j = 0; k < Math.max(size, key.length); k++, j = (j + 1) % key.length) {
    state[i] = (state[i]! ^ Math.imul(mixed(state[i - 1]!), 1664525)) + key[j]! + j
    step()
  }
  for (let k = 1; k < size; k++) {
    state[i] = (state[i]! ^ Math.imul(mixed(state[i - 1]!), 1566083941)) - i
    step()
  }
  state[0] = 0x80000000
  let at = size
  return () => {
    if (at === size) {
      twist(state)
      at = 0
    }
    let word = state[at++]!
    word ^= word >>> 11
    word ^= (word << 7) & 0x9d2c5680
    word ^= (word << 15) & 0xefc60000
    return (word ^ (word >>> 18)) >>> 0
  }
}

function mixed(word: number): number {
  return word ^ (word >>> 30)
}

/** Makes the next words of the state. */
function twist(state: Uint32Array): void {
  for (let i = 0; i < size; i++) {
    const word = (state[i]! & 0x80000000) | (state[(i + 1) % size]! & 0x7fffffff)
    state[i] = state[(i + distance) % size]! ^ (word >>> 1) ^ (word & 1 ? 0x9908b0df : 0)
  }
}
