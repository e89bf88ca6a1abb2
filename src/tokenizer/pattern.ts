// A regular expression applied to texts: matches as Oniguruma finds them, in slices, and within bounds of time.
import { sliceItems } from '../calls/slices.ts'
import { endsWithin } from '../calls/time-limit.ts'
import { shown } from '../data/shown.ts'
import { tokenizerError } from './field.ts'
import { runSample, shortRun } from './regex-cost.ts'

/** Where an expression comes from, and how far it can be trusted. */
export interface PatternOrigin {
  file: string
  /** The pattern as the file spells it. */
  text: string
  /** Texts up to this many characters are matched in about a second at most, whatever they hold. */
  safeLength: number
  /** Texts without a long run that are up to this long take no more time either. */
  safeLengthOfShortRuns: number
}

/** What is known of an expression that repeats single characters only. */
export interface Runs {
  /** Matches at a multiple of `runSample` of every text in which one of the repetitions goes over `shortRun` units or more. */
  longRun: RegExp
  /** UTF-16 units after a place of another text that decide what matches there; Infinity where what precedes it counts too. */
  reach: number
}

/** Milliseconds that one slice of matching may take; most take one. */
const timeLimitMs = 1000
/** Characters of a slice whose time is limited: the limit costs as much as matching some thousands. */
const watchedItems = 4 * sliceItems

/** Stretches of a text that follow each other: those that match, perhaps empty, and those between two matches. */
export interface Parts {
  texts: string[]
  isMatch: boolean[]
}

export class Pattern {
  readonly #regex: RegExp
  /** The same expression, which matches at the place it is told and nowhere else. */
  readonly #sticky: RegExp
  readonly #origin: PatternOrigin | undefined
  readonly #longRun: RegExp | undefined
  readonly #reach: number

  /**
   * @param regex with flag g
   * @param origin undefined for an expression of this package, which takes time linear in the text
   * @param runs undefined where nothing is known
   */
  constructor(regex: RegExp, { origin, runs }: { origin?: PatternOrigin; runs?: Runs | undefined } = {}) {
    this.#regex = regex
    this.#sticky = stickyOf(regex)
    this.#origin = origin
    this.#longRun = runs && stickyOf(runs.longRun)
    this.#reach = runs?.reach ?? Number.POSITIVE_INFINITY
  }

  /** Longer texts are matched with a limit of time, unless they hold nothing that can take long. */
  get safeLength(): number {
    return this.#origin?.safeLength ?? Number.POSITIVE_INFINITY
  }

  /** Whether a text is matched without a limit of time. */
  isSafe(text: string): boolean {
    if (text.length <= this.safeLength) return true
    return text.length <= this.#origin!.safeLengthOfShortRuns && !this.#hasLongRun(text)
  }

  #hasLongRun(text: string): boolean {
    const longRun = this.#longRun
    if (longRun === undefined) return true
    for (let at = 0; at < text.length; at += runSample) {
      longRun.lastIndex = at
      if (longRun.test(text)) return true
    }
    return false
  }

  /**
   * Cuts texts, together a slice of work, where matches begin and end; nothing of it is empty.
   * @throws TOKENIZER where the pattern backtracks without end
   */
  cut(texts: readonly string[]): readonly string[] {
    return this.#run(!this.#areSafe(texts), () => {
      // Most texts are one stretch: its matches are the words, without another list.
      if (texts.length === 1) return this.#words(texts[0]!)
      const out: string[] = []
      for (const text of texts) for (const word of this.#words(text)) out.push(word)
      return out
    })
  }

  #areSafe(texts: readonly string[]): boolean {
    return this.#origin === undefined || texts.every(text => this.isSafe(text))
  }

  /** Cuts one text of any length as `cut` does, a slice of work at a time. */
  *cutLong(text: string): Generator<readonly string[]> {
    const done = this.#reach < sliceItems && !this.#hasLongRun(text) ? yield* this.#cutPieces(text) : 0
    if (done === text.length) return
    for (const { texts } of this.partsInSlices(text, done)) yield texts.filter(isNotEmpty)
  }

  /**
   * Cuts a text without long runs piece by piece, which is faster than match by match, and needs no limit of time. What
   * begins or ends so far from the end of a piece that nothing beyond decides about it is a word of the text.
   * @returns up to where the text is cut: to its end, or to a stretch between matches that is longer than a piece
   */
  *#cutPieces(text: string): Generator<readonly string[], number> {
    for (let at = 0; ; ) {
      const piece = text.slice(at, at + sliceItems + this.#reach)
      const words = this.#run(false, () => this.#words(piece))
      if (at + piece.length === text.length) {
        yield words
        return text.length
      }
      let kept = 0
      let length = 0
      while (kept < words.length && length + words[kept]!.length <= sliceItems)
        length += words[kept++]!.length
      if (kept === 0) return at
      yield words.slice(0, kept)
      at += length
    }
  }

  /** Parts a whole text, which is a slice of work. @throws TOKENIZER as `cut` */
  parts(text: string): Parts {
    return this.#run(!this.isSafe(text), () => partsOf(this.#regex, this.#sticky, text))
  }

  /** Parts a text of any length from a place where a part begins, a slice of work at a time. @throws TOKENIZER as `cut` */
  *partsInSlices(text: string, start = 0): Generator<Parts> {
    const isWatched = !this.isSafe(text)
    const search = new Search(this.#regex, this.#sticky, text, start)
    while (!search.ended) yield this.#run(isWatched, () => search.next(isWatched ? watchedItems : sliceItems))
  }

  #words(text: string): string[] {
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
    return partsOf(this.#regex, this.#sticky, text).texts.filter(isNotEmpty)
  }

  /** @param isWatched limits the time; only what has an origin is watched, as all else is safe for any length */
  #run<Result>(isWatched: boolean, work: () => Result): Result {
    try {
      if (!isWatched) return work()
      let result: { value: Result } | undefined
      const watched = () => {
        result = { value: work() }
      }
      if (endsWithin(timeLimitMs, watched)) return result!.value
    } catch (cause) {
      if (this.#origin === undefined) throw cause
      // The engine keeps the places to go back to on a stack, which has an end.
      throw fault(this.#origin, `needs too much memory for this text: ${(cause as Error).message}`, { cause })
    }
    throw fault(
      this.#origin!,
      `takes more than ${timeLimitMs} ms for a piece of this text: it goes back over it again and again. Shorten the text, or write the pattern without repetitions inside repetitions`,
    )
  }
}

/** Makes an expression of a text that stands for itself; the empty one matches nowhere. */
export function literalRegex(text: string): RegExp {
  return new RegExp(text.replace(/[\^$\\.*+?()[\]{}|/]/g, '\\$&') || '(?!)', 'gu')
}

/** Makes the pattern of an expression that goes over a run of one character and a run of all others, in either order. */
export function runsOf(character: string): Runs {
  const code = `\\u{${character.codePointAt(0)!.toString(16)}}`
  return {
    longRun: new RegExp(`${code}{${runSample}}|[^${code}]{${runSample}}`, 'u'),
    reach: 2 * (shortRun + 2),
  }
}

function stickyOf(regex: RegExp): RegExp {
  return new RegExp(regex.source, `${regex.flags.replace(/[gy]/g, '')}y`)
}

function isNotEmpty(text: string): boolean {
  return text !== ''
}

function fault(origin: PatternOrigin, problem: string, options?: ErrorOptions) {
  return tokenizerError(origin.file, `pattern ${shown(origin.text)} ${problem}`, options)
}

function partsOf(regex: RegExp, sticky: RegExp, text: string): Parts {
  return new Search(regex, sticky, text, 0).next(Number.POSITIVE_INFINITY)
}

/** One pass over a text. */
class Search {
  readonly #regex: RegExp
  readonly #sticky: RegExp
  readonly #text: string
  /** The place where the next search begins. */
  #at: number
  /** The end of the last match. */
  #end: number
  #hasMatched = false
  /** The end of the match that was found last, counted or not. */
  #matchEnd = 0

  constructor(regex: RegExp, sticky: RegExp, text: string, start: number) {
    this.#regex = regex
    this.#sticky = sticky
    this.#text = text
    // The tokenizers library looks for nothing in an empty text.
    this.#at = text === '' ? 1 : start
    this.#end = start
  }

  get ended(): boolean {
    return this.#at > this.#text.length
  }

  /** Goes on to the matches that begin within some of the next characters, at least one. */
  next(characters: number): Parts {
    const text = this.#text
    const texts: string[] = []
    const isMatch: boolean[] = []
    const stop = this.#at + characters
    while (this.#at < stop && !this.ended) {
      const start = this.#find()
      if (start < 0) {
        if (this.#end < text.length) {
          texts.push(text.slice(this.#end))
          isMatch.push(false)
        }
        this.#at = text.length + 1
        break
      }
      const end = this.#matchEnd
      if (start === end && this.#hasMatched && end === this.#end) {
        // An empty match does not follow another match, as in Oniguruma's own iteration.
        this.#at = end + (text.codePointAt(end)! > 0xffff ? 2 : 1)
        continue
      }
      if (start > this.#end) {
        texts.push(text.slice(this.#end, start))
        isMatch.push(false)
      }
      texts.push(text.slice(start, end))
      isMatch.push(true)
      this.#hasMatched = true
      this.#at = this.#end = end
    }
    return { texts, isMatch }
  }

  /** Finds where the next match begins; -1 if there is none. */
  #find(): number {
    // Most matches begin where the last one ended, and to ask for that alone makes no list of groups.
    this.#sticky.lastIndex = this.#at
    if (this.#sticky.test(this.#text)) {
      this.#matchEnd = this.#sticky.lastIndex
      return this.#at
    }
    this.#regex.lastIndex = this.#at
    const match = this.#regex.exec(this.#text)
    if (match === null) return -1
    this.#matchEnd = match.index + match[0].length
    return match.index
  }
}
