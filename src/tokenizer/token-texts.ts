// What each of some tokens adds to a text, for people who look at scores token by token.
import type { DecodeStream, Tokenizer } from './tokenizer.ts'

/**
 * The texts of tokens that follow others: joined they are the text of all, with the space at its front that decoders take from
 * the front of a whole text. A token that ends within a character adds '', and the next one the character.
 */
export function tokenTexts(tokenizer: Tokenizer, ids: ArrayLike<number>): string[] {
  const stream = new TokenTexts(tokenizer)
  const texts = Array.from(ids, id => stream.push(id))
  if (texts.length > 0) texts[texts.length - 1] += stream.end()
  return texts
}

/** tokenTexts() of tokens as they come. */
export class TokenTexts {
  private readonly stream: DecodeStream
  /** Characters that the stream holds back of the text before these tokens: where "a" is a byte, it comes with what follows. */
  private ahead: number

  constructor(tokenizer: Tokenizer) {
    this.stream = tokenizer.decodeStream({ skipSpecialTokens: false })
    for (const id of tokenizer.encode('a')) this.stream.push(id)
    this.ahead = this.stream.pending().length
  }

  push(id: number): string {
    return this.own(this.stream.push(id))
  }

  /** What is held back, once no more tokens come. */
  end(): string {
    return this.own(this.stream.end())
  }

  private own(text: string): string {
    const cut = Math.min(this.ahead, text.length)
    this.ahead -= cut
    return text.slice(cut)
  }
}
