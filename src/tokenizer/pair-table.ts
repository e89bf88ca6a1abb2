// The merges of a BPE vocabulary: (left id, right id) -> (rank, id of the merged token), in flat arrays.

/** An open-addressing hash table: a Map keyed on numbers above 2^31 allocates each key. */
export class PairTable {
  readonly #mask: number
  readonly #left: Int32Array
  readonly #right: Int32Array
  readonly #rank: Int32Array
  readonly #merged: Int32Array

  /** @param capacity maximum of pairs that will be set */
  constructor(capacity: number) {
    let size = 16
    while (size < capacity * 2) size *= 2
    this.#mask = size - 1
    this.#left = new Int32Array(size).fill(-1)
    this.#right = new Int32Array(size)
    this.#rank = new Int32Array(size)
    this.#merged = new Int32Array(size)
  }

  /** Sets a pair. One that is set twice keeps the later entry, as in the tokenizers library. */
  set(left: number, right: number, rank: number, merged: number): void {
    const slot = this.#slot(left, right)
    this.#left[slot] = left
    this.#right[slot] = right
    this.#rank[slot] = rank
    this.#merged[slot] = merged
  }

  /** Finds the slot of a pair, for rank() and merged(); -1 if the pair does not merge. */
  find(left: number, right: number): number {
    const slot = this.#slot(left, right)
    return this.#left[slot] === -1 ? -1 : slot
  }

  rank(slot: number): number {
    return this.#rank[slot]!
  }

  merged(slot: number): number {
    return this.#merged[slot]!
  }

  /** Finds the slot of a pair, or the free slot where it belongs. */
  #slot(left: number, right: number): number {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0
    slot = (slot ^ (slot >>> 15)) & this.#mask
    while (this.#left[slot] !== -1 && (this.#left[slot] !== left || this.#right[slot] !== right)) {
      slot = (slot + 1) & this.#mask
    }
    return slot
  }
}
