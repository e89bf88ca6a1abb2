// What each of some tokens adds to a text, for people who look at scores token by token.
import type { Tokenizer } from './tokenizer.ts'

/**
 * The texts of tokens that follow others: joined they are the text of all, with the space at its front that decoders take from
 * the front of a whole text. A token that ends within a character adds '', and the next one the character.
 */
export function tokenTexts(tokenizer: Tokenizer, ids: ArrayLike<number>): string[] {
  const stream = tokenizer.decodeStream({ skipSpecialTokens: false })
  for (const id of tokenizer.encode('a')) stream.push(id)
  // Where "a" is a byte, it comes with what follows.
  let ahead = stream.pending().length
  return Array.from(ids, (id, i) => {
    const text = stream.push(id) + (i === ids.length - 1 ? stream.end() : '')
    const cut = Math.min(ahead, text.length)
    ahead -= cut
    return text.slice(cut)
  })
}
