// A regular expression applied to texts: matches as Oniguruma finds them, in slices, and within bounds of time.
import { type Slices, sliceItems } from '../calls/slices.ts'
import { shown } from '../data/shown.ts'
import { tokenizerError } from './field.ts'
import { endsWithin } from './time-limit.ts'

/** Where an expression comes from, and how far it can be trusted. */
export interface PatternOrigin {
  file: string
  /** As the file spells it. */
  text: string
  /** Texts up to this many characters are matched in about a second at most, whatever they hold. */
  safeLength: number
}

/** For one slice of matching; most take a millisecond. */
const timeLimitMs = 1000
/** Characters of a slice whose time is limited: the limit costs as much as matching some thousands. */
const watchedItems = 4 * sliceItems

/** A stretch of a text that matches, perhaps empty, or one between two matches. */
export interface Part {
  text: string
  isMatch: boolean
}

export class Pattern {
  readonly #regex: RegExp
  readonly #origin: PatternOrigin | undefined

  /**
   * @param regex with flag g
   * @param origin undefined for an expression of this package, which takes time linear in the text
   */
  constructor(regex: RegExp, origin?: PatternOrigin) {
    this.#regex = regex
    this.#origin = origin
  }

  /** A text that stands for itself; the empty one matches nowhere. */
  static literal(text: string): Pattern {
    return new Pattern(new RegExp(text.replace(/[\^$\\.*+?()[\]{}|/]/g, '\\$&') || '(?!)', 'gu'))
  }

  /** Cuts texts where matches begin and end. @throws TOKENIZER where the pattern backtracks without end */
  *cut(texts: readonly string[]): Slices<string[]> {
    const watched = texts.some(text => text.length > this.safeLength)
    // Most texts are one short stretch: its matches are the words, without another list.
    const [only] = texts
    if (texts.length === 1 && !watched && only!.length <= sliceItems)
      return this.#run(() => this.#cutShort(only!))
    const out: string[] = []
    let next = 0
    const cutSome = () => {
      for (let room = watched ? watchedItems : sliceItems; next < texts.length && room > 0; next++) {
        const text = texts[next]!
        if (text.length > sliceItems) return
        room -= text.length + 1
        for (const part of this.#cutShort(text)) out.push(part)
      }
    }
    while (next < texts.length) {
      if (texts[next]!.length > sliceItems) pushTexts(yield* this.parts(texts[next++]!), out)
      else this.#runSlice(watched, cutSome)
      if (next < texts.length) yield
    }
    return out
  }

  /** The whole text as matches and what lies between them. @throws TOKENIZER as `cut` */
  *parts(text: string): Slices<Part[]> {
    const watched = text.length > this.safeLength
    const search = new Search(this.#regex, text)
    const findSome = () => search.goOn(watched ? watchedItems : sliceItems)
    for (;;) {
      this.#runSlice(watched, findSome)
      if (search.ended) return search.parts
      yield
    }
  }

  /** The text with `content` in place of every match. @throws TOKENIZER as `cut` */
  *replace(text: string, content: string): Slices<string> {
    if (this.#origin === undefined && text.length <= sliceItems)
      return text.replace(this.#regex, content.replaceAll('$', '$$$$'))
    let out = ''
    for (const part of yield* this.parts(text)) out += part.isMatch ? content : part.text
    return out
  }

  #cutShort(text: string): string[] {
    const matches = text.match(this.#regex)
    if (matches === null) return text === '' ? [] : [text]
    // Most patterns leave nothing between their matches, and have no empty ones.
    let length = 0
    let shortest = text.length
    for (const match of matches) {
      length += match.length
      if (match.length < shortest) shortest = match.length
    }
    if (length === text.length && shortest > 0) return matches
    const search = new Search(this.#regex, text)
    search.goOn(Number.POSITIVE_INFINITY)
    const out: string[] = []
    pushTexts(search.parts, out)
    return out
  }

  /** Longer texts are matched with a limit of time. */
  get safeLength(): number {
    return this.#origin?.safeLength ?? Number.POSITIVE_INFINITY
  }

  #run<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (cause) {
      if (this.#origin === undefined) throw cause
      // The engine keeps the places to go back to on a stack, which has an end.
      throw fault(this.#origin, `needs too much memory for this text: ${(cause as Error).message}`, { cause })
    }
  }

  /** @param watched limits the time; only what has an origin is watched, as all else is safe for any length */
  #runSlice(watched: boolean, work: () => void): void {
    if (!watched) {
      this.#run(work)
      return
    }
    if (this.#run(() => endsWithin(timeLimitMs, work))) return
    throw fault(
      this.#origin!,
      `takes more than ${timeLimitMs} ms for a piece of this text: it goes back over it again and again. Shorten the text, or write the pattern without repetitions inside repetitions`,
    )
  }
}

function fault(origin: PatternOrigin, problem: string, options?: ErrorOptions) {
  return tokenizerError(origin.file, `pattern ${shown(origin.text)} ${problem}`, options)
}

/** One pass over a text. */
class Search {
  readonly parts: Part[] = []
  readonly #regex: RegExp
  readonly #text: string
  /** Where to search next. */
  #at = 0
  /** The end of the last match. */
  #end = 0
  #hasMatched = false

  constructor(regex: RegExp, text: string) {
    this.#regex = regex
    this.#text = text
    // The tokenizers library looks for nothing in an empty text.
    if (text === '') this.#at = 1
  }

  get ended(): boolean {
    return this.#at > this.#text.length
  }

  /** Finds the matches that begin within some of the next characters, at least one. */
  goOn(characters: number): void {
    const text = this.#text
    const stop = this.#at + characters
    while (this.#at < stop && !this.ended) {
      this.#regex.lastIndex = this.#at
      const match = this.#regex.exec(text)
      if (match === null) {
        if (this.#end < text.length) this.parts.push({ text: text.slice(this.#end), isMatch: false })
        this.#at = text.length + 1
        return
      }
      const start = match.index
      const end = start + match[0].length
      if (start === end && this.#hasMatched && end === this.#end) {
        // An empty match does not follow another match, as in Oniguruma's own iteration.
        this.#at = end + (text.codePointAt(end)! > 0xffff ? 2 : 1)
        continue
      }
      if (start > this.#end) this.parts.push({ text: text.slice(this.#end, start), isMatch: false })
      this.parts.push({ text: match[0], isMatch: true })
      this.#hasMatched = true
      this.#at = this.#end = end
    }
  }
}

function pushTexts(parts: readonly Part[], out: string[]): void {
  for (const { text } of parts) if (text !== '') out.push(text)
}
