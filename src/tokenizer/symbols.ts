// What a word is before any merge: bytes of a byte-level vocabulary, or characters with bytes to fall back on.
import { byteCharacters, byteSpelling } from './byte-level.ts'
import { Pattern, runsOf } from './pattern.ts'
import { bytePieceText, type Vocabulary } from './vocabulary.ts'

/**
 * Appends the ids a word starts out as. A long word may be given in pieces.
 * @param inUnknown whether the piece before ended in an unknown character
 * @returns whether this one does
 */
export type Symbols = (piece: string, out: number[], inUnknown: boolean) => boolean

/**
 * @param unknown for bytes without a token, which trained vocabularies have; they are left out where it is undefined,
 *   as in the tokenizers library
 */
export function byteSymbols(vocabulary: Vocabulary, unknown: number | undefined): Symbols {
  const byByte = byteCharacters.map(character => vocabulary.ids.get(character) ?? unknown ?? -1)
  return (word, out) => {
    for (const byte of Buffer.from(word, 'utf8')) if (byByte[byte]! >= 0) out.push(byByte[byte]!)
    return false
  }
}

export interface CharacterOptions {
  /** Whether a character without a token is spelt as its bytes, where they all have one. */
  byteFallback: boolean
  unknown: number | undefined
  /** A run of unknown characters is one unknown token. */
  fuseUnknown: boolean
}

/** @param ids of single characters; may hold more */
export function characterSymbols(ids: ReadonlyMap<string, number>, options: CharacterOptions): Symbols {
  const { byteFallback, unknown, fuseUnknown } = options
  const byByte = Array.from({ length: 256 }, (_, byte) =>
    byteFallback ? ids.get(bytePieceText(byte)) : undefined,
  )
  return (piece, out, inUnknownBefore) => {
    let inUnknown = inUnknownBefore
    for (const character of piece) {
      const id = ids.get(character)
      const bytes = id === undefined ? Array.from(Buffer.from(character), byte => byByte[byte]) : [id]
      if (bytes.every(byte => byte !== undefined)) {
        out.push(...bytes)
        inUnknown = false
      } else if (unknown !== undefined) {
        if (!inUnknown || !fuseUnknown) out.push(unknown)
        inUnknown = true
      }
    }
    return inUnknown
  }
}

/** Finds the id of a word that is a token of the vocabulary as it stands. @param byteLevel whether tokens are spelt in bytes */
export function wholeWords(
  ids: ReadonlyMap<string, number>,
  byteLevel: boolean,
): (word: string) => number | undefined {
  let longest = 0
  for (const text of ids.keys()) longest = Math.max(longest, text.length)
  return word => (word.length > longest ? undefined : ids.get(byteLevel ? byteSpelling(word) : word))
}

/**
 * Where no token holds ▁ after another character, no merge crosses that place: words cut there give the same ids
 * as the whole text, and are worth caching. undefined where that does not hold.
 */
export function spaceCuts(texts: readonly string[]): Pattern | undefined {
  if (texts.some(text => /[^▁]▁/u.test(text))) return undefined
  return new Pattern(/▁*[^▁]+|▁+/gu, { runs: runsOf('▁') })
}
