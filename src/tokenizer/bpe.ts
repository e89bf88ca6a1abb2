// Byte-pair encoding of one word: symbols, then the merge of lowest rank (leftmost among equals) until none is left.
import { type Slices, sliceItems } from '../calls/slices.ts'
import { MtLlamaError } from '../errors.ts'
import { endOfCharacter } from './characters.ts'
import { MinHeap } from './min-heap.ts'
import type { PairTable } from './pair-table.ts'
import type { Symbols } from './symbols.ts'

/** What differs between vocabularies. */
export interface BpeModel {
  merges: PairTable
  /** The ids a word starts out as. */
  symbols: Symbols
  /** The id of a word that is a token as it stands, where the vocabulary says so (ignore_merges). */
  wholeWord?: ((word: string) => number | undefined) | undefined
  /**
   * Appends what becomes of a merged id, where symbols may stand for something that is no token.
   * @param first where the ids of the word begin in `out`
   */
  finish?: ((id: number, out: number[], first: number) => void) | undefined
}

/** The cache starts anew once it holds this many words. English text has some 50,000 in use. */
const cachedWords = 1 << 16
/** Longer words, in characters, are too rare to be worth keeping. */
const cachedLength = 64
/** A heap item is rank * positions + position: exact in a double up to 2^26 ranks. */
const positions = 2 ** 27

export class Bpe {
  readonly #model: BpeModel
  /** Most words are one token, which is kept without a list. */
  readonly #cache = new Map<string, number | readonly number[]>()
  /** Merges the words that are short enough to be done at once. */
  readonly #merging: Merging

  constructor(model: BpeModel) {
    this.#model = model
    this.#merging = new Merging(model)
  }

  /** Appends the ids of words that are a slice of work together. */
  encode(words: readonly string[], ids: number[]): void {
    for (const word of words) {
      const known = this.#cache.get(word) ?? this.#learn(word)
      if (typeof known === 'number') ids.push(known)
      else for (const id of known) ids.push(id)
    }
  }

  /** Appends the ids of words of any length. */
  *encodeInSlices(words: readonly string[], ids: number[]): Slices<void> {
    let begin = 0
    for (let next = 0, room = sliceItems; next < words.length; next++) {
      const { length } = words[next]!
      room -= length + 1
      if (room > 0) continue
      this.encode(words.slice(begin, next), ids)
      if (length > sliceItems) yield* this.#encodeLong(words[next]!, ids)
      begin = length > sliceItems ? next + 1 : next
      room = sliceItems
      yield
    }
    this.encode(words.slice(begin), ids)
  }

  #learn(word: string): number | readonly number[] {
    const merged = this.#merged(word)
    const ids = merged.length === 1 ? merged[0]! : merged
    if (word.length <= cachedLength) {
      if (this.#cache.size === cachedWords) this.#cache.clear()
      // A copy of the key: a slice of the text would keep the whole text alive.
      this.#cache.set(` ${word}`.slice(1), ids)
    }
    return ids
  }

  #merged(word: string): number[] {
    const whole = this.#model.wholeWord?.(word)
    if (whole !== undefined) return [whole]
    const symbols: number[] = []
    this.#model.symbols(word, symbols, false)
    if (symbols.length < 2 && this.#model.finish === undefined) return symbols
    const merging = this.#merging
    merging.begin(symbols)
    merging.propose(symbols.length)
    merging.merge(Number.POSITIVE_INFINITY)
    const ids: number[] = []
    merging.take(symbols.length, ids)
    return ids
  }

  *#encodeLong(word: string, ids: number[]): Slices<void> {
    const whole = this.#model.wholeWord?.(word)
    if (whole !== undefined) {
      ids.push(whole)
      return
    }
    const symbols: number[] = []
    let inUnknown = false
    for (let start = 0; start < word.length; yield) {
      const end = endOfCharacter(word, start + sliceItems)
      inUnknown = this.#model.symbols(word.slice(start, end), symbols, inUnknown)
      start = end
    }
    if (symbols.length > positions)
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        `the text has a word of ${symbols.length} bytes or characters; expected at most ${positions} without a place to cut`,
      )
    // Other words are encoded between the slices.
    const merging = new Merging(this.#model)
    merging.begin(symbols)
    while (!merging.propose(sliceItems)) yield
    while (!merging.merge(sliceItems)) yield
    while (!merging.take(sliceItems, ids)) yield
  }
}

/**
 * Merges a word: begin, then propose, merge and take, each in as many steps as one likes; they return whether they are done.
 * One that is kept for many words saves more than its memory: V8 forgets what it knows of a class without instances, and
 * then runs its methods unoptimised: long words took 1.6 times as long where collections of garbage came between them.
 */
class Merging {
  readonly #model: BpeModel
  /** It is empty between words. */
  readonly #heap = new MinHeap()
  /** The symbols are a linked list; a merge leaves its id on the left and takes the right one (id -1) out. */
  #ids: number[] = []
  #next = new Int32Array(64)
  #previous = new Int32Array(64)
  #proposed = 0
  #taken = 0
  /** Where the ids of the word begin in the list that takes them. */
  #first: number | undefined

  constructor(model: BpeModel) {
    this.#model = model
  }

  /** @param ids the symbols of the word, which are changed */
  begin(ids: number[]): void {
    this.#ids = ids
    if (this.#next.length < ids.length) {
      this.#next = new Int32Array(ids.length)
      this.#previous = new Int32Array(ids.length)
    }
    this.#proposed = 0
    this.#taken = 0
    this.#first = undefined
  }

  propose(steps: number): boolean {
    const end = Math.min(this.#ids.length, this.#proposed + steps)
    for (let i = this.#proposed; i < end; i++) {
      this.#next[i] = i + 1
      this.#previous[i] = i - 1
      if (i > 0) this.#proposePair(i - 1, i)
    }
    this.#proposed = end
    return end === this.#ids.length
  }

  merge(steps: number): boolean {
    const { merges } = this.#model
    const ids = this.#ids
    const next = this.#next
    const previous = this.#previous
    const heap = this.#heap
    for (let step = 0; heap.size > 0; step++) {
      if (step === steps) return false
      const item = heap.pop()
      const left = item % positions
      const right = next[left]!
      if (ids[left] === -1 || right >= ids.length) continue
      const slot = merges.find(ids[left]!, ids[right]!)
      // This merge was proposed for symbols that have merged with others since.
      if (slot < 0 || merges.rank(slot) !== (item - left) / positions) continue
      ids[left] = merges.merged(slot)
      ids[right] = -1
      const after = next[right]!
      next[left] = after
      if (after < ids.length) {
        previous[after] = left
        this.#proposePair(left, after)
      }
      if (previous[left]! >= 0) this.#proposePair(previous[left]!, left)
    }
    return true
  }

  take(steps: number, out: number[]): boolean {
    const { finish } = this.#model
    this.#first ??= out.length
    const end = Math.min(this.#ids.length, this.#taken + steps)
    for (let i = this.#taken; i < end; i++) {
      const id = this.#ids[i]!
      if (id === -1) continue
      if (finish === undefined) out.push(id)
      else finish(id, out, this.#first)
    }
    this.#taken = end
    return end === this.#ids.length
  }

  #proposePair(left: number, right: number): void {
    const { merges } = this.#model
    const slot = merges.find(this.#ids[left]!, this.#ids[right]!)
    if (slot >= 0) this.#heap.push(merges.rank(slot) * positions + left)
  }
}
