// What a word is before any merge: bytes of a byte-level vocabulary, or characters with bytes to fall back on.
import { byteCharacters } from './byte-level.ts'
import { bytePieceText, type Vocabulary } from './vocabulary.ts'

/** Appends the ids a word starts out as. */
export type Symbols = (word: string, out: number[]) => void

/**
 * @param unknown for bytes without a token, which trained vocabularies have; they are left out where it is undefined,
 *   as in the tokenizers library
 */
export function byteSymbols(vocabulary: Vocabulary, unknown: number | undefined): Symbols {
  const byByte = byteCharacters.map(character => vocabulary.ids.get(character) ?? unknown ?? -1)
  return (word, out) => {
    for (const byte of Buffer.from(word, 'utf8')) if (byByte[byte]! >= 0) out.push(byByte[byte]!)
  }
}

export interface CharacterOptions {
  /** Spell a character without a token as its bytes, where they all have one. */
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
  return (word, out) => {
    let inUnknown = false
    for (const character of word) {
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
  }
}

/**
 * Where no token holds ▁ after another character, no merge crosses that place: words cut there give the same ids
 * as the whole text, and are worth caching. undefined where that does not hold.
 */
export function spaceCuts(texts: readonly (string | undefined)[]): RegExp | undefined {
  if (texts.some(text => text !== undefined && /[^▁]▁/u.test(text))) return undefined
  return /▁*[^▁]+|▁+/gu
}
