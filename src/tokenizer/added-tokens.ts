// Tokens that are found in the text before anything else looks at it: </s>, <|im_start|>, words added by a user.

export interface AddedToken {
  id: number
  content: string
  /** Left out of decoded text, and not looked for where the text is to be taken as plain. */
  special: boolean
  /** Only where no letter, digit or underscore stands beside it. */
  singleWord: boolean
  /** Takes the white space before it. */
  lstrip: boolean
  /** Takes the white space after it. */
  rstrip: boolean
  /** Looked for in the normalised text, not in the text as it is. */
  normalized: boolean
}

/** A stretch of text, or the id of the token found there. */
export type Section = { text: string; start: number } | { id: number }

/** Finds tokens in a text: the leftmost, the longest of those that begin there. */
export class AddedTokenFinder {
  readonly #byContent: ReadonlyMap<string, AddedToken>
  readonly #pattern: RegExp | undefined

  constructor(tokens: Iterable<AddedToken>) {
    this.#byContent = new Map(
      [...tokens].filter(token => token.content !== '').map(token => [token.content, token]),
    )
    const longestFirst = [...this.#byContent.keys()].sort((a, b) => b.length - a.length)
    const escaped = longestFirst.map(content => content.replace(/[\^$\\.*+?()[\]{}|/]/g, '\\$&'))
    this.#pattern = escaped.length > 0 ? new RegExp(escaped.join('|'), 'gu') : undefined
  }

  /** @param parseSpecial whether special tokens count; other added tokens always do */
  split(text: string, parseSpecial: boolean): Section[] {
    if (text === '') return []
    if (this.#pattern === undefined || text.search(this.#pattern) < 0) return [{ text, start: 0 }]
    const sections: Section[] = []
    let end = 0
    for (const match of text.matchAll(this.#pattern)) {
      const token = this.#byContent.get(match[0])!
      let start = match.index
      let stop = start + match[0].length
      if (start < end) continue
      if (token.special && !parseSpecial) continue
      if (token.singleWord && touchesWord(text, start, stop)) continue
      if (token.lstrip) start = Math.max(end, text.slice(0, start).search(/\p{White_Space}*$/u))
      if (token.rstrip) stop += /^\p{White_Space}*/u.exec(text.slice(stop))![0].length
      if (start > end) sections.push({ text: text.slice(end, start), start: end })
      sections.push({ id: token.id })
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
