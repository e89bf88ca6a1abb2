// Finds which of many texts begin at which places of a text, the longest at each place, in linear time.
import { type Slices, sliceItems } from '../calls/slices.ts'

const root = 0
const none = -1

/**
 * The automaton (Aho, Corasick 1975) holds the texts reversed and reads a text from its end. It knows the longest that ends
 * where it stands, so that it finds the longest that begins at each place without reading anything twice.
 */
export class LongestMatches {
  /** A node stands for a suffix of a text, reversed: [nodes] the node that it extends, and the UTF-16 unit it adds. */
  readonly #parent: Int32Array
  readonly #unit: Uint16Array
  /** [nodes] The longest other node that the node ends in. */
  readonly #shorter: Int32Array
  /** [nodes] The longest text that the node ends in; `none` where there is none. */
  readonly #text: Int32Array
  /** An open-addressing hash table of the nodes by parent and unit; `root`, which nothing leads to, marks a free slot. */
  readonly #slots: Int32Array
  /** [256] Whether a text may end in a unit with that low byte. */
  readonly #ends = new Uint8Array(256)

  /** @param texts must not be empty; the first of equal ones counts */
  constructor(texts: readonly string[]) {
    const nodes = 1 + texts.reduce((sum, text) => sum + text.length, 0)
    this.#parent = new Int32Array(nodes)
    this.#unit = new Uint16Array(nodes)
    this.#shorter = new Int32Array(nodes)
    this.#text = new Int32Array(nodes).fill(none)
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * nodes)))
    let used = 1
    for (const [index, text] of texts.entries()) {
      let node = root
      for (let i = text.length - 1; i >= 0; i--) {
        const slot = this.#slot(node, text.charCodeAt(i))
        if (this.#slots[slot] === root) {
          this.#parent[used] = node
          this.#unit[used] = text.charCodeAt(i)
          this.#slots[slot] = used++
        }
        node = this.#slots[slot]!
      }
      if (this.#text[node] === none) this.#text[node] = index
      this.#ends[text.charCodeAt(text.length - 1) & 0xff] = 1
    }
    for (const node of this.#byDepth(used)) {
      const parent = this.#parent[node]!
      if (parent !== root) this.#shorter[node] = this.#step(this.#shorter[parent]!, this.#unit[node]!)
      if (this.#text[node] === none) this.#text[node] = this.#text[this.#shorter[node]!]!
    }
  }

  /** Finds the texts. Returns their places and indices, from the last place to the first: [place, index, place, index, ...]. */
  *find(text: string): Slices<number[]> {
    const found: number[] = []
    let node = root
    for (let end = text.length; end > 0; end -= sliceItems) {
      if (end < text.length) yield
      const start = Math.max(0, end - sliceItems)
      for (let i = end - 1; i >= start; i--) {
        const unit = text.charCodeAt(i)
        if (node === root && this.#ends[unit & 0xff] === 0) continue
        node = this.#step(node, unit)
        if (this.#text[node] !== none) found.push(i, this.#text[node]!)
      }
    }
    return found
  }

  #step(from: number, unit: number): number {
    for (let node = from; ; node = this.#shorter[node]!) {
      const next = this.#slots[this.#slot(node, unit)]!
      if (next !== root || node === root) return next
    }
  }

  /** Finds the slot of a node, or the free slot where it belongs. */
  #slot(parent: number, unit: number): number {
    const mask = this.#slots.length - 1
    let slot = Math.imul(parent, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)
    slot = (slot ^ (slot >>> 15)) & mask
    for (;;) {
      const node = this.#slots[slot]!
      if (node === root || (this.#parent[node] === parent && this.#unit[node] === unit)) return slot
      slot = (slot + 1) & mask
    }
  }

  /** The first `used` nodes without the root, in the order of their numbers of units. */
  #byDepth(used: number): Int32Array {
    const depth = new Int32Array(used)
    for (let node = 1; node < used; node++) depth[node] = depth[this.#parent[node]!]! + 1
    return Int32Array.from(depth.keys())
      .subarray(1)
      .sort((a, b) => depth[a]! - depth[b]!)
  }
}
