// Which rows of a session's cache are free. A sequence takes rows side by side, the first place that is large enough.

interface Range {
  first: number
  end: number
}

export class RowPool {
  /** All rows, free or taken. */
  rows = 0
  /** The free ranges in order, with taken rows between them. */
  private free: Range[] = []

  /** Whether no row is taken. */
  get isEmpty(): boolean {
    return this.free.reduce((sum, { first, end }) => sum + end - first, 0) === this.rows
  }

  /** Free rows behind the last that is taken. */
  get freeAtEnd(): number {
    const last = this.free.at(-1)
    return last?.end === this.rows ? last.end - last.first : 0
  }

  /** Adds free rows at the end, so that there are `rows`. */
  extend(rows: number): void {
    this.give(this.rows, rows - this.rows)
    this.rows = rows
  }

  /** The first of so many rows, which are taken now; undefined where there is no such place. */
  take(rows: number): number | undefined {
    const place = this.free.find(({ first, end }) => end - first >= rows)
    if (!place) return undefined
    const { first } = place
    place.first += rows
    if (place.first === place.end) this.free = this.free.filter(range => range !== place)
    return first
  }

  /** Gives rows back. */
  give(first: number, rows: number): void {
    const merged: Range[] = []
    for (const range of [...this.free, { first, end: first + rows }].sort((a, b) => a.first - b.first)) {
      const before = merged.at(-1)
      if (before?.end === range.first) before.end = range.end
      else merged.push(range)
    }
    this.free = merged
  }
}
