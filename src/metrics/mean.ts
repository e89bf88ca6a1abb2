// The mean of a metric over samples, and how far chance may have moved it.

export interface Figure {
  value: number
  /** Standard deviation of `value` over samples drawn anew: s / sqrt(n) with n - 1 in s; null for a single sample. */
  standardError: number | null
}

/** Adds up values one by one. */
export class Mean {
  count = 0
  #sum = 0
  #sumOfSquares = 0

  add(value: number): void {
    this.count++
    this.#sum += value
    this.#sumOfSquares += value * value
  }

  /** There must be one value at least. */
  figure(): Figure {
    const n = this.count
    const value = this.#sum / n
    const variance = Math.max(this.#sumOfSquares / n - value * value, 0)
    return { value, standardError: n > 1 ? Math.sqrt(variance / (n - 1)) : null }
  }
}
