// Tokens as texts, for log-probabilities.
import type { Model } from '../model.ts'
import { tokenTexts } from '../tokenizer/token-texts.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

const known = new WeakMap<Tokenizer, Map<number, string>>()

/**
 * The text of a token by itself, with the space at its front: its bytes decoded, U+FFFD for those of a part of a character.
 * Special tokens have theirs. A model without a tokenizer has the ids.
 */
export function tokenText({ tokenizer }: Model, id: number): string {
  if (!tokenizer) return `${id}`
  const texts = known.get(tokenizer) ?? new Map<number, string>()
  known.set(tokenizer, texts)
  const text = texts.get(id) ?? tokenTexts(tokenizer, [id])[0]!
  texts.set(id, text)
  return text
}

/**
 * Where each token's text begins in a text that they make, in characters as Python counts them: code points.
 * @param start where the first one begins
 */
export function textOffsets({ tokenizer }: Model, ids: ArrayLike<number>, start = 0): number[] {
  if (!tokenizer) return Array.from(ids, () => start)
  let offset = start
  return tokenTexts(tokenizer, ids).map(text => {
    const own = offset
    offset += codePoints(text)
    return own
  })
}

export function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}
