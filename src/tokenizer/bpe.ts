// Byte-pair encoding of one word: symbols, then the merge of lowest rank (leftmost among equals) until none is left.
import { MinHeap } from './min-heap.ts'
import type { PairTable } from './pair-table.ts'

/** What differs between vocabularies. */
export interface BpeModel {
  merges: PairTable
  /** Appends the ids a word starts out as. */
  symbols(word: string, out: number[]): void
  /** The id of a word that is a token as it stands, where the vocabulary says so (ignore_merges). */
  wholeWord?: ((word: string) => number | undefined) | undefined
  /** Rewrites the merged ids, where symbols may stand for something that is no token. */
  finish?: ((ids: number[]) => number[]) | undefined
}

/** Words kept; then the cache starts anew. English text has some 50,000 in use. */
const cachedWords = 1 << 16
/** Characters of a word worth keeping. */
const cachedLength = 64
/** A heap item is rank * positions + position: exact in a double up to 2^26 ranks. */
const positions = 2 ** 27

export class Bpe {
  readonly #model: BpeModel
  readonly #cache = new Map<string, readonly number[]>()
  readonly #heap = new MinHeap()

  constructor(model: BpeModel) {
    this.#model = model
  }

  encode(word: string): readonly number[] {
    const known = this.#cache.get(word)
    if (known !== undefined) return known
    const ids = this.#encode(word)
    if (word.length <= cachedLength) {
      if (this.#cache.size === cachedWords) this.#cache.clear()
      // A copy of the key: a slice of the text would keep the whole text alive.
      this.#cache.set(` ${word}`.slice(1), ids)
    }
    return ids
  }

  #encode(word: string): number[] {
    const whole = this.#model.wholeWord?.(word)
    if (whole !== undefined) return [whole]
    const symbols: number[] = []
    this.#model.symbols(word, symbols)
    const ids = symbols.length > 1 ? this.#merge(symbols) : symbols
    return this.#model.finish?.(ids) ?? ids
  }

  /** The symbols are a linked list; a merge leaves its id on the left and takes the right one (id -1) out. */
  #merge(ids: number[]): number[] {
    const { merges } = this.#model
    const heap = this.#heap
    const next = new Int32Array(ids.length)
    const previous = new Int32Array(ids.length)
    const propose = (left: number, right: number) => {
      const slot = merges.find(ids[left]!, ids[right]!)
      if (slot >= 0) heap.push(merges.rank(slot) * positions + left)
    }
    for (let i = 0; i < ids.length; i++) {
      next[i] = i + 1
      previous[i] = i - 1
      if (i > 0) propose(i - 1, i)
    }
    while (heap.size > 0) {
      const item = heap.pop()
      const left = item % positions
      const right = next[left]!
      if (ids[left] === -1 || right >= ids.length) continue
      const slot = merges.find(ids[left]!, ids[right]!)
      // Proposed for symbols that have since merged with others.
      if (slot < 0 || merges.rank(slot) !== (item - left) / positions) continue
      ids[left] = merges.merged(slot)
      ids[right] = -1
      const after = next[right]!
      next[left] = after
      if (after < ids.length) {
        previous[after] = left
        propose(left, after)
      }
      if (previous[left]! >= 0) propose(previous[left]!, left)
    }
    return ids.filter(id => id !== -1)
  }
}
