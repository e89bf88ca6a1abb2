// A binary heap of numbers, smallest first.

export class MinHeap {
  #items = new Float64Array(64)
  #size = 0

  get size(): number {
    return this.#size
  }

  push(item: number): void {
    if (this.#size === this.#items.length) {
      const grown = new Float64Array(this.#size * 2)
      grown.set(this.#items)
      this.#items = grown
    }
    const items = this.#items
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (items[parent]! <= item) break
      items[at] = items[parent]!
      at = parent
    }
    items[at] = item
  }

  /** Removes the smallest number and returns it. The heap must not be empty. */
  pop(): number {
    const items = this.#items
    const top = items[0]!
    const last = items[--this.#size]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#size) break
      if (child + 1 < this.#size && items[child + 1]! < items[child]!) child++
      if (items[child]! >= last) break
      items[at] = items[child]!
      at = child
    }
    items[at] = last
    return top
  }
}
