// Finds stop strings in text that arrives in pieces, and holds back what may be the beginning of one.

export class StopText {
  private readonly stops: readonly string[]
  private held = ''
  /** A stop string was found; nothing more comes out. */
  stopped = false

  constructor(stops: readonly string[]) {
    this.stops = stops
  }

  /** Text that is certain to come before any stop string. */
  push(piece: string): string {
    if (this.stopped) return ''
    const text = this.held + piece
    const at = this.find(text)
    if (at !== undefined) {
      this.stopped = true
      this.held = ''
      return text.slice(0, at)
    }
    const certain = text.length - this.beginningAtEnd(text)
    this.held = text.slice(certain)
    return text.slice(0, certain)
  }

  /** Whether a stop string would be found if `rest` came next. */
  foresees(rest: string): boolean {
    return !this.stopped && this.find(this.held + rest) !== undefined
  }

  /** What was held back, once no more text comes. */
  end(): string {
    const rest = this.held
    this.held = ''
    return rest
  }

  private find(text: string): number | undefined {
    const places = this.stops.map(stop => text.indexOf(stop)).filter(at => at >= 0)
    return places.length > 0 ? Math.min(...places) : undefined
  }

  /** Length of the longest end of `text` that a stop string begins with. */
  private beginningAtEnd(text: string): number {
    let longest = 0
    for (const stop of this.stops) {
      let length = Math.min(stop.length - 1, text.length)
      while (length > longest && !text.endsWith(stop.slice(0, length))) length--
      longest = Math.max(longest, length)
    }
    return longest
  }
}
