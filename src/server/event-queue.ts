// Events from where they come about to where they are sent, in order.

export class EventQueue<Event> {
  private readonly events: Event[] = []
  private wake: () => void = () => {}
  private outcome: { error?: unknown } | undefined

  push(event: Event): void {
    this.events.push(event)
    this.wake()
  }

  /** No more events come, once the work is done; or its error does. */
  endWith(work: Promise<unknown>): void {
    work.then(
      () => this.settle({}),
      (error: unknown) => this.settle({ error }),
    )
  }

  /** For one reader. */
  async *read(): AsyncGenerator<Event, void, undefined> {
    for (;;) {
      const event = this.events.shift()
      if (event !== undefined) yield event
      else if (!this.outcome) await new Promise<void>(resolve => (this.wake = resolve))
      else if ('error' in this.outcome) throw this.outcome.error
      else return
    }
  }

  private settle(outcome: { error?: unknown }): void {
    this.outcome = outcome
    this.wake()
  }
}
