// Finds where characters and white space end in a text, in time linear in what is looked at.

/** Matches one character of white space as Unicode and Rust have it: JavaScript's \s has U+FEFF more and U+0085 less. */
const whiteSpace = /\p{White_Space}/u

/** Finds the end of the white space that begins at a place of the text. */
export function spaceEnd(text: string, start: number): number {
  let end = start
  while (end < text.length && whiteSpace.test(text[end]!)) end++
  return end
}

/** Finds the beginning of the white space that ends at a place of the text; it is `min` at least. */
export function spaceStart(text: string, end: number, min: number): number {
  let start = end
  while (start > min && whiteSpace.test(text[start - 1]!)) start--
  return start
}

/** Moves a place that lies inside a character to that character's end. */
export function endOfCharacter(text: string, at: number): number {
  const isInside = at < text.length && (text.charCodeAt(at) & 0xfc00) === 0xdc00
  return isInside ? at + 1 : at
}
