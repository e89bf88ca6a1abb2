// Tokens as texts, for log-probabilities.
import type { Model } from '../model.ts'
import { TokenTexts } from '../tokenizer/token-texts.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

/**
 * The text of a token by itself, with the space at its front: its bytes decoded, U+FFFD for those of a part of a character.
 * A model without a tokenizer has the ids.
 */
export function tokenText(model: Model, id: number): string {
  return model.tokenizer ? Buffer.from(tokenBytes(model.tokenizer, id)).toString() : `${id}`
}

/** What a token adds to a text; a special one its name. */
export function tokenBytes(tokenizer: Tokenizer, id: number): Uint8Array {
  return tokenizer.tokenBytes().of(id) ?? Buffer.from(tokenizer.tokenText(id))
}

/** Where each token's text begins in a text that they make, in characters as Python counts them: code points. */
export class TextOffsets {
  private readonly texts: TokenTexts | undefined
  private next: number

  /** @param start where the first one begins */
  constructor({ tokenizer }: Model, start = 0) {
    this.texts = tokenizer && new TokenTexts(tokenizer)
    this.next = start
  }

  /** Of the next token. */
  push(id: number): number {
    const own = this.next
    if (this.texts) this.next += codePoints(this.texts.push(id))
    return own
  }
}

export function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}
