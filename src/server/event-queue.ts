// Events from where they come about to where they are sent, in order, each in a turn of the event loop that it has for itself: a step
// of generation makes one for each stream, and to write them all takes long.

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
      if (event !== undefined) {
        await ownTurn()
        yield event
      } else if (!this.outcome) await new Promise<void>(resolve => (this.wake = resolve))
      else if ('error' in this.outcome) throw this.outcome.error
      else return
    }
  }

  private settle(outcome: { error?: unknown }): void {
    this.outcome = outcome
    this.wake()
  }
}

/** Readers whose turn is to come. */
const waiting: (() => void)[] = []

/** A turn in which no other reader is given an event. */
function ownTurn(): Promise<void> {
  return new Promise(resolve => {
    waiting.push(resolve)
    if (waiting.length === 1) setImmediate(giveTurn)
  })
}

function giveTurn(): void {
  waiting.shift()!()
  if (waiting.length > 0) setImmediate(giveTurn)
}
