// Sets of Unicode characters, and the bytes that spell them in UTF-8.

/** Code points as ranges [first, last, first, last, ...], ascending and apart. Surrogates are in none. */
export type Characters = readonly number[]

const lastCodePoint = 0x10ffff
const firstSurrogate = 0xd800
const lastSurrogate = 0xdfff

type Range = readonly [first: number, last: number]

/** @param ranges pairs of first and last code point, in any order; they may overlap */
export function characters(...ranges: readonly Range[]): Characters {
  return charactersOf(ranges)
}

/** characters() of ranges that may be more than a call can have arguments. */
export function charactersOf(ranges: readonly Range[]): Characters {
  const [only] = ranges
  if (ranges.length === 1 && only![0] <= only![1] && (only![1] < firstSurrogate || only![0] > lastSurrogate))
    return [...only!]
  const own: [number, number][] = []
  for (const [first, last] of ranges) {
    if (first < firstSurrogate) own.push([first, Math.min(last, firstSurrogate - 1)])
    if (last > lastSurrogate) own.push([Math.max(first, lastSurrogate + 1), last])
  }
  own.sort(([a], [b]) => a - b)
  const out: number[] = []
  for (const [first, last] of own) {
    if (first > last) continue
    if (out.length > 0 && first <= out.at(-1)! + 1) out[out.length - 1] = Math.max(out.at(-1)!, last)
    else out.push(first, last)
  }
  return out
}

export function pairsOf(set: Characters): [first: number, last: number][] {
  return Array.from({ length: set.length / 2 }, (_, i) => [set[2 * i]!, set[2 * i + 1]!])
}

export const allCharacters: Characters = characters([0, lastCodePoint])

export function union(sets: readonly Characters[]): Characters {
  return charactersOf(sets.flatMap(pairsOf))
}

/** All characters but those of the set. */
export function complement(set: Characters): Characters {
  const gaps: [number, number][] = []
  let next = 0
  for (const [first, last] of pairsOf(set)) {
    if (first > next) gaps.push([next, first - 1])
    next = last + 1
  }
  if (next <= lastCodePoint) gaps.push([next, lastCodePoint])
  return charactersOf(gaps)
}

export function intersection(a: Characters, b: Characters): Characters {
  return complement(union([complement(a), complement(b)]))
}

/** Bytes of which one follows another, each from a range. */
export type ByteRanges = readonly (readonly [low: number, high: number])[]

/** The last code point that UTF-8 spells in 1, 2, 3 and 4 bytes. */
const lastOfLength = [0x7f, 0x7ff, 0xffff, lastCodePoint]

/** The ways to spell a character of the set, which are all those of the ranges. */
export function utf8Ranges(set: Characters): ByteRanges[] {
  const out: ByteRanges[] = []
  for (const [first, last] of pairsOf(set)) {
    let from = first
    for (const [i, most] of lastOfLength.entries()) {
      if (from > Math.min(last, most)) continue
      addRanges(from, Math.min(last, most), i + 1, out)
      from = most + 1
    }
  }
  return out
}

/** Cuts code points of one length in UTF-8 so that each part takes all values of its last bytes. */
function addRanges(first: number, last: number, length: number, out: ByteRanges[]): void {
  for (let i = 1; i < length; i++) {
    // The code points that have the same bytes but for the last i.
    const mask = (1 << (6 * i)) - 1
    if ((first & ~mask) === (last & ~mask)) continue
    if ((first & mask) !== 0) {
      addRanges(first, first | mask, length, out)
      addRanges((first | mask) + 1, last, length, out)
      return
    }
    if ((last & mask) !== mask) {
      addRanges(first, (last & ~mask) - 1, length, out)
      addRanges(last & ~mask, last, length, out)
      return
    }
  }
  const low = utf8(first)
  const high = utf8(last)
  out.push(low.map((byte, i) => [byte, high[i]!] as const))
}

function utf8(codePoint: number): number[] {
  if (codePoint < 0x80) return [codePoint]
  return [...Buffer.from(String.fromCodePoint(codePoint), 'utf8')]
}
