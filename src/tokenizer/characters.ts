// Where characters and white space end in a text, in time linear in what is looked at.

/** As Unicode and Rust have it; JavaScript's \s has U+FEFF more and U+0085 less. */
const whiteSpace = /\p{White_Space}/u

/** Where the white space ends that begins at a place of the text. */
export function spaceEnd(text: string, start: number): number {
  let end = start
  while (end < text.length && whiteSpace.test(text[end]!)) end++
  return end
}

/** Where the white space begins that ends at a place of the text; not before `min`. */
export function spaceStart(text: string, end: number, min: number): number {
  let start = end
  while (start > min && whiteSpace.test(text[start - 1]!)) start--
  return start
}

/** The place itself, or the next one where it lies inside a character. */
export function endOfCharacter(text: string, at: number): number {
  const isInside = at < text.length && (text.charCodeAt(at) & 0xfc00) === 0xdc00
  return isInside ? at + 1 : at
}
