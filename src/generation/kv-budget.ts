// Shares the memory for keys and values among generations that overlap, first come, first served.

export class KvBudget {
  private readonly limit: number
  private used = 0
  private readonly waiting: { bytes: number; start: () => void }[] = []

  /** @param limit bytes; a single larger need is met when nothing else is held */
  constructor(limit: number) {
    this.limit = limit
  }

  /** Whether somebody waits for what is held. */
  get isWanted(): boolean {
    return this.waiting.length > 0
  }

  /** Waits for room; the function returned gives it back. */
  acquire(bytes: number): Promise<() => void> {
    return new Promise(resolve => {
      const start = () => {
        this.used += bytes
        resolve(() => this.release(bytes))
      }
      this.waiting.push({ bytes, start })
      this.startNext()
    })
  }

  private release(bytes: number): void {
    this.used -= bytes
    this.startNext()
  }

  private startNext(): void {
    while (this.waiting.length > 0) {
      const { bytes, start } = this.waiting[0]!
      if (this.used > 0 && this.used + bytes > this.limit) return
      this.waiting.shift()
      start()
    }
  }
}
