// Tokens that are found in the text before anything else looks at it: </s>, <|im_start|>, words added by a user.
import type { Slices } from '../calls/slices.ts'
import { spaceEnd, spaceStart } from './characters.ts'
import { LongestMatches } from './longest-matches.ts'

export interface AddedToken {
  id: number
  content: string
  /** Whether decoding leaves it out, and a text that is to be taken as plain is not searched for it. */
  special: boolean
  /** Whether it counts only where no letter, digit or underscore stands beside it. */
  singleWord: boolean
  /** Whether it takes the white space before it. */
  lstrip: boolean
  /** Whether it takes the white space after it. */
  rstrip: boolean
  /** Whether it is looked for in the normalised text, not in the text as it is. */
  normalized: boolean
}

/** A stretch of text, or the id of the token found there. */
export type Section = { text: string; start: number } | { id: number }

/** Finds tokens in a text: the leftmost, the longest of those that begin there. */
export class AddedTokenFinder {
  readonly #tokens: readonly AddedToken[]
  readonly #matches: LongestMatches
  /** The pattern of what a token may begin with. */
  readonly #firstUnits: RegExp

  /** @param tokens where several have one text, a special one counts, else the first */
  constructor(tokens: Iterable<AddedToken>) {
    const known = [...tokens].filter(token => token.content !== '')
    this.#tokens = known.toSorted((a, b) => Number(b.special) - Number(a.special))
    // A text is searched by UTF-16 units, and half of a character is no token.
    this.#matches = new LongestMatches(this.#tokens.map(({ content }) => content.toWellFormed()))
    const units = new Set(this.#tokens.map(({ content }) => content.toWellFormed().charCodeAt(0)))
    const escaped = Array.from(units, unit => `\\u${unit.toString(16).padStart(4, '0')}`)
    this.#firstUnits = new RegExp(`[${escaped.join('')}]`)
  }

  /** Whether a text may hold tokens, told at little cost: most hold none. */
  mayFind(text: string): boolean {
    return this.#tokens.length > 0 && this.#firstUnits.test(text)
  }

  /** @param parseSpecial whether special tokens count; other added tokens always do */
  *split(text: string, parseSpecial: boolean): Slices<Section[]> {
    const found = this.mayFind(text) ? yield* this.#matches.find(text) : []
    const sections: Section[] = []
    /** Where the next match may begin. */
    let free = 0
    /** Where the last section ends. */
    let end = 0
    /** White space that a token has taken: it is gone through once, however many tokens begin inside it. */
    let spaces = { start: 0, end: 0 }
    for (let i = found.length - 2; i >= 0; i -= 2) {
      let start = found[i]!
      const token = this.#tokens[found[i + 1]!]!
      if (start < free) continue
      // What is no token for one of the reasons below hides others that begin inside it, as in the tokenizers library.
      let stop = start + token.content.length
      free = stop
      if (token.special && !parseSpecial) continue
      if (token.singleWord && touchesWord(text, start, stop)) continue
      if (token.lstrip) start = Math.max(end, spaceStart(text, start, Math.min(start, end)))
      if (token.rstrip) {
        if (stop < spaces.start || stop > spaces.end) spaces = { start: stop, end: spaceEnd(text, stop) }
        stop = spaces.end
      }
      if (start > end) sections.push({ text: text.slice(end, start), start: end })
      // White space that is taken can hold tokens, which count too where they do not strip it themselves: again as there.
      if (start < stop) sections.push({ id: token.id })
      end = stop
    }
    if (end < text.length) sections.push({ text: text.slice(end), start: end })
    return sections
  }
}

const wordAtEnd = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u
const wordAtStart = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u

function touchesWord(text: string, start: number, stop: number): boolean {
  return (
    wordAtEnd.test(text.slice(Math.max(0, start - 2), start)) || wordAtStart.test(text.slice(stop, stop + 2))
  )
}
