// Lets the parts of a call wait until something about it has changed.

export class Signal {
  private waiting: (() => void)[] = []

  /** Until the next tell(): a waiter looks again at what it waits for. */
  wait(): Promise<void> {
    return new Promise(resolve => this.waiting.push(resolve))
  }

  tell(): void {
    const waiting = this.waiting
    this.waiting = []
    for (const resolve of waiting) resolve()
  }
}
