// Tokens as texts, for log-probabilities.
import { type Slices, sliceItems } from '../calls/slices.ts'
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

/** The text of any number of tokens, special ones as their names. */
export function* decoded(tokenizer: Tokenizer, ids: ArrayLike<number>): Slices<string> {
  const stream = tokenizer.decodeStream({ skipSpecialTokens: false })
  let text = ''
  for (let i = 0; i < ids.length; i++) {
    text += stream.push(ids[i]!)
    if (i % sliceItems === sliceItems - 1) yield
  }
  return text + stream.end()
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
