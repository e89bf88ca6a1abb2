// Finds texts of evaluation sets in rows of training data: runs of words that both have, as GPT-3's authors looked for them.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { textsOf, wordsOf } from './row-texts.ts'

/** An evaluation set whose texts are looked for. */
export interface KnownSet {
  name: string
  items: number
  /** Words of a run that both must have. */
  runLength: number
}

/** An item that a row has a text of. */
export interface Overlap {
  set: KnownSet
  /** The item's place in its set, counted from 0. */
  item: number
}

/**
 * Bounds of a run's length: within them it is the 5th percentile of the words of a set's items (Brown et al. 2020, "Language
 * Models are Few-Shot Learners", appendix C).
 */
const minRun = 8
const maxRun = 13
const percentile = 0.05

/**
 * An item whose texts are all shorter than a run is known by its longest text whole, from so many letters and digits on:
 * anybody may write less ("lovely and poignant").
 */
const minLetters = 16

/** Items that are added in some ms. */
const itemsOfTurn = 64

/** A text that is looked for. */
interface KnownText {
  /** Its words between single spaces, one before and one after. */
  words: string
  items: Overlap[]
}

export class Contamination {
  private readonly known: KnownSet[] = []
  private readonly texts = new Map<string, KnownText>()
  /** The texts that have a run of words, by the run's hash. */
  private readonly runs = new Map<number, KnownText[]>()
  private readonly lengths = new Set<number>()
  /** Whether a run may be among the known ones: a bit for each value of 24 bits of its hash, to look up few in vain. */
  private readonly maybe = new Uint32Array(2 ** 19)

  get sets(): readonly KnownSet[] {
    return this.known
  }

  /**
   * Adds a set, with turns of the event loop between its items.
   * @param items the texts of each item, of which every one counts
   */
  async add(
    name: string,
    items: Iterable<readonly string[]> | AsyncIterable<readonly string[]>,
  ): Promise<void> {
    const words: string[][][] = []
    for await (const texts of items) words.push(texts.map(wordsOf))
    const set = { name, items: words.length, runLength: runLengthOf(words) }
    this.known.push(set)
    for (const [item, texts] of words.entries()) {
      if (item % itemsOfTurn === 0) await nextTurn()
      this.addItem({ set, item }, texts)
    }
  }

  /** The items that a row has a text of, each once. @param row its fields */
  find(row: unknown): Overlap[] {
    const found = new Set<Overlap>()
    for (const text of textsOf(row)) this.findIn(wordsOf(text), found)
    return [...found]
  }

  private addItem(item: Overlap, texts: readonly string[][]): void {
    const { runLength } = item.set
    const long = texts.filter(words => words.length >= runLength)
    for (const words of long) this.addText(words, runLength, item)
    if (long.length > 0) return
    const longest = texts.reduce((best, words) => (lettersOf(words) > lettersOf(best) ? words : best), [])
    if (lettersOf(longest) >= minLetters) this.addText(longest, longest.length, item)
  }

  private addText(words: readonly string[], length: number, item: Overlap): void {
    const text = padded(words)
    const id = `${length}${text}`
    const known = this.texts.get(id)
    if (known) {
      if (known.items.at(-1) !== item) known.items.push(item)
      return
    }
    const one = { words: text, items: [item] }
    this.texts.set(id, one)
    this.lengths.add(length)
    for (const { hash, bit } of runsOf(hashesOf(words), length)) {
      const others = this.runs.get(hash)
      if (!others) this.runs.set(hash, [one])
      else if (others.at(-1) !== one) others.push(one)
      this.maybe[bit >>> 5]! |= 1 << (bit & 31)
    }
  }

  private findIn(words: readonly string[], found: Set<Overlap>): void {
    const hashes = hashesOf(words)
    for (const length of this.lengths)
      for (const { hash, start } of runsOf(hashes, length, this.maybe))
        for (const text of this.runs.get(hash) ?? [])
          if (text.words.includes(padded(words.slice(start, start + length))))
            for (const item of text.items) found.add(item)
  }
}

function runLengthOf(items: readonly string[][][]): number {
  const lengths = items
    .map(texts => texts.reduce((sum, words) => sum + words.length, 0))
    .sort((a, b) => a - b)
  return Math.min(maxRun, Math.max(minRun, lengths[Math.floor(lengths.length * percentile)] ?? minRun))
}

function lettersOf(words: readonly string[]): number {
  return words.reduce((sum, { length }) => sum + length, 0)
}

function padded(words: readonly string[]): string {
  return ` ${words.join(' ')} `
}

/** Two hashes of 32 bits of each word (FNV-1a over its UTF-16 units, from two beginnings), one after the other. */
function hashesOf(words: readonly string[]): Int32Array {
  const hashes = new Int32Array(2 * words.length)
  for (const [i, word] of words.entries()) {
    let first = 0x811c9dc5
    let second = 0x5bd1e995
    for (let at = 0; at < word.length; at++) {
      const unit = word.charCodeAt(at)
      first = Math.imul(first ^ unit, 0x01000193)
      second = Math.imul(second ^ unit, 0x01000193)
    }
    hashes[2 * i] = first
    hashes[2 * i + 1] = second
  }
  return hashes
}

const bases = [0x9e3779b1, 0x85ebca77] as const

interface Run {
  /** A whole number below 2^53. */
  hash: number
  /** 24 bits of it. */
  bit: number
  /** The place of the run's first word. */
  start: number
}

/**
 * All runs of so many words: their hash is a polynomial of the words' hashes in each of two bases.
 * @param words as hashesOf() gives them
 * @param maybe where it is given, a run whose bit is not set is left out
 */
function runsOf(words: Int32Array, length: number, maybe?: Uint32Array): Run[] {
  const [base, other] = bases
  let [top, otherTop] = [1, 1]
  for (let i = 0; i < length; i++) {
    top = Math.imul(top, base)
    otherTop = Math.imul(otherTop, other)
  }
  // Runs of different lengths differ.
  const mark = Math.imul(length, 0x27d4eb2f)
  const runs: Run[] = []
  let [sum, otherSum] = [0, 0]
  for (let end = 0; end < words.length / 2; end++) {
    sum = (Math.imul(sum, base) + words[2 * end]!) | 0
    otherSum = (Math.imul(otherSum, other) + words[2 * end + 1]!) | 0
    const before = end - length
    if (before >= 0) {
      sum = (sum - Math.imul(words[2 * before]!, top)) | 0
      otherSum = (otherSum - Math.imul(words[2 * before + 1]!, otherTop)) | 0
    }
    if (before < -1) continue
    const marked = (sum ^ mark) >>> 0
    const bit = marked >>> 8
    if (maybe && !(maybe[bit >>> 5]! & (1 << (bit & 31)))) continue
    runs.push({ hash: marked * 2 ** 21 + (otherSum >>> 11), bit, start: before + 1 })
  }
  return runs
}
