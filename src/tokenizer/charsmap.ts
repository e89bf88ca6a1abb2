// SentencePiece's precompiled normalisation (nmt_nfkc and the like): a double-array trie from character sequences to texts.
import { sliceItems } from '../calls/slices.ts'
import { tokenizerError } from './field.ts'
import { checkGrowth } from './growth.ts'
import type { Normalizer } from './normalizer.ts'
import { characterLength } from './utf8.ts'

/**
 * The layout is that of normalizer.cc and darts-clone: the trie's size in bytes (uint32), its units (uint32 each),
 * then the replacements, each ended by a zero byte.
 * @returns what replaces, at each place, the longest sequence the map holds
 * @throws TOKENIZER where the sizes do not fit
 */
export function readCharsmap(file: string, blob: Buffer): Normalizer {
  const trieBytes = blob.length >= 4 ? blob.readUInt32LE(0) : 0
  if (trieBytes === 0 || trieBytes % 4 !== 0 || trieBytes > blob.length - 4) {
    const found = `of ${blob.length} bytes claims a trie of ${trieBytes}`
    throw tokenizerError(
      file,
      `normalizer_spec.precompiled_charsmap ${found}; expected whole units inside it`,
    )
  }
  const units = new Uint32Array(trieBytes / 4)
  for (let i = 0; i < units.length; i++) units[i] = blob.readUInt32LE(4 + 4 * i)
  const texts = blob.subarray(4 + trieBytes)

  const source = { file, path: 'normalizer_spec.precompiled_charsmap' }
  /**
   * Rewrites bytes from a place up to the first character at or after `stop`.
   * @returns the place reached, and the text up to it
   */
  const goOn = (bytes: Buffer, start: number, stop: number, before: string, maxLength: number) => {
    let out = before
    let at = start
    while (at < stop) {
      const match = longestMatch(units, bytes, at)
      if (match === undefined) {
        const length = characterLength(bytes, at)
        out += bytes.toString('utf8', at, at + length)
        at += length
      } else {
        const end = texts.indexOf(0, match.value)
        out += texts.toString('utf8', match.value, end < 0 ? texts.length : end)
        at += match.length
      }
      checkGrowth(out.length, maxLength, source)
    }
    return { out, at }
  }
  return {
    atOnce(text, _, maxLength) {
      const bytes = Buffer.from(text, 'utf8')
      return goOn(bytes, 0, bytes.length, '', maxLength).out
    },
    *inSlices(text, _, maxLength) {
      const bytes = Buffer.from(text, 'utf8')
      let done = { out: '', at: 0 }
      while (done.at < bytes.length) {
        const stop = Math.min(bytes.length, done.at + sliceItems)
        done = goOn(bytes, done.at, stop, done.out, maxLength)
        yield
      }
      return done.out
    },
  }
}

function longestMatch(
  units: Uint32Array,
  bytes: Buffer,
  start: number,
): { value: number; length: number } | undefined {
  let match: { value: number; length: number } | undefined
  let position = offset(units[0]!)
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!
    position ^= byte
    const unit = units[position]
    // A unit's label is its low byte; a set top bit marks a value, which no byte leads to.
    if (unit === undefined || (unit & 0x800000ff) !== byte) break
    position ^= offset(unit)
    const hasValue = (unit & 0x100) !== 0
    if (hasValue) match = { value: (units[position] ?? 0) & 0x7fffffff, length: at - start + 1 }
  }
  return match
}

/** The distance from a unit to its children. */
function offset(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0
}
