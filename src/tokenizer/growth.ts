// How much longer than a text its normalised form may be: a file says what is put in, and a text how often.
import { tokenizerError } from './field.ts'

/** The factor by which a text may grow: NFKD makes up to 18 characters of one, and more than one step may add to them. */
const perCharacter = 64
/** Characters that a text may gain beyond that factor, such as those put before a short one. */
const always = 1 << 16

/** What in which file makes a text longer. */
export interface Source {
  file: string
  path: string
}

/** Says how many characters a text may have after normalisation. */
export function maxNormalLength(length: number): number {
  return always + perCharacter * length
}

/** @throws TOKENIZER where a text has become longer than it may */
export function checkGrowth(length: number, maxLength: number, { file, path }: Source): void {
  if (length <= maxLength) return
  throw tokenizerError(
    file,
    `${path} makes ${length} characters or more of a piece of this text; expected at most ${maxLength}, which is ${perCharacter} times the text and ${always}. Nothing that is published comes near that: is it the file that was meant to be opened?`,
  )
}
