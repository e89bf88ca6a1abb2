// A call whose answers leave in the order of its source, which is read a bounded way ahead of them: what scoring and
// generation have in common.
import type { MtLlamaError } from '../errors.ts'
import { onAbort } from '../native/job.ts'
import { onLeave } from './leaving.ts'
import { Signal } from './signal.ts'
import { pull, type Source } from './source.ts'

/** An item that was read. Its answer leaves in its turn. */
export interface Entry<Answer> {
  /** What it counts for in the look-ahead. */
  readonly weight: number
  /** Whether its answer is there. */
  isDone(): boolean
  answer(): Answer
}

/** How the source is being read. */
export type Reading =
  | 'open'
  /** The next item takes long to come. */
  | 'stalled'
  /** So much was read ahead that answers must leave first. */
  | 'full'
  /** No more items will come. */
  | 'ended'

/** What answers the items of a call. Each method may call back into the call. */
export interface Answerer<Item, Answer, Own extends Entry<Answer>> {
  /** Comes first, when the first answer is asked for. */
  begin(): void
  /** Takes an item in. */
  enter(item: Item, index: number): Own | Promise<Own>
  /** The item that was taken in has its place in the call. The next is read after the promise, where there is one. */
  entered?(): Promise<void> | undefined
  /** `call.reading` has changed. */
  readingChanged?(reading: Reading): void
  /**
   * The signal has fired. Whether the call gives the answers of the items that were read all the same, each at once: of an
   * array all items are read still. Otherwise it ends with ABORTED.
   */
  cutShort?(): boolean
  /** Comes last, once: every answer has left, the call has failed, or nobody wants the rest. */
  end(): void
}

export interface OrderedCallOptions {
  /** What messages call the source. */
  sourceName: string
  /** Ends the call with ABORTED, unless the answerer cuts it short. */
  signal?: AbortSignal | undefined
  /** A source or an item that is wrong ends the call once the items before it are answered, not at once. */
  answersFirst: boolean
  /** Weights that are read ahead of the answers before reading rests. */
  maxAhead: number
}

export class OrderedCall<Item, Answer, Own extends Entry<Answer>> {
  /** Told whenever something about the call has changed. */
  readonly changed = new Signal()
  /** Items that were read. */
  itemsRead = 0
  /** Known once the items have been read to their end; from the start for an array. */
  itemsTotal: number | undefined
  private readonly answerer: Answerer<Item, Answer, Own>
  private readonly options: OrderedCallOptions
  private readonly entries = new Map<number, Own>()
  private weightAhead = 0
  private readingNow: Reading = 'open'
  private readonly closing = new AbortController()
  private failure: { error: unknown } | undefined
  /** Why no more items will come, where that is an error that waits for the answers before it. */
  private sourceError: { error: unknown } | undefined

  constructor(answerer: Answerer<Item, Answer, Own>, options: OrderedCallOptions) {
    this.answerer = answerer
    this.options = options
  }

  /** Aborted once the call has ended, however that came. */
  get closed(): AbortSignal {
    return this.closing.signal
  }

  get reading(): Reading {
    return this.readingNow
  }

  /** The entry of an item that was read and whose answer has not left. */
  entry(index: number): Own | undefined {
    return this.entries.get(index)
  }

  /** Nothing is read before the first answer is asked for; a loop that is left ends the call. */
  answers(source: Source<Item>): AsyncGenerator<Answer, void, undefined> {
    return onLeave(this.inOrder(source), () => this.close())
  }

  private async *inOrder(source: Source<Item>): AsyncGenerator<Answer, void, undefined> {
    const stopListening = onAbort(this.options.signal, error => this.abort(error, source))
    try {
      if (Array.isArray(source)) this.itemsTotal = source.length
      if (!this.closed.aborted) this.answerer.begin()
      if (!this.isRead) this.read(source).catch(error => this.endAtError(error))
      for (let index = 0; ; index++) {
        while (!this.closed.aborted && !this.isSettled(index)) await this.changed.wait()
        if (this.failure) throw this.failure.error
        if (this.closed.aborted) return
        const entry = this.entries.get(index)
        if (!entry) {
          if (this.sourceError) throw this.sourceError.error
          return
        }
        this.entries.delete(index)
        this.weightAhead -= entry.weight
        this.changed.tell()
        yield entry.answer()
      }
    } finally {
      stopListening()
      this.close()
    }
  }

  private abort(error: MtLlamaError, source: Source<Item>): void {
    if (this.closed.aborted) return
    if (!this.answerer.cutShort?.()) {
      this.fail(error)
      return
    }
    if (!Array.isArray(source)) this.endSource()
    this.changed.tell()
  }

  /** Ends the call with an error; the first one counts, and after the end there is none. */
  fail(error: unknown): void {
    if (this.closed.aborted) return
    this.failure = { error }
    this.close()
  }

  private close(): void {
    if (this.closed.aborted) return
    this.closing.abort()
    this.answerer.end()
    this.changed.tell()
  }

  /** Whether the answer of that item, or that there is no such item, is known. */
  private isSettled(index: number): boolean {
    return this.entries.get(index)?.isDone() ?? (this.reading === 'ended' && index === this.itemsRead)
  }

  private async read(source: Source<Item>): Promise<void> {
    const onStall = (stalled: boolean) => this.setReading(stalled ? 'stalled' : 'open')
    for await (const { value: item } of pull(source, this.options.sourceName, this.closed, onStall)) {
      if (this.isRead) return
      const entering = this.answerer.enter(item, this.itemsRead)
      const entry = entering instanceof Promise ? await entering : entering
      if (this.isRead) return
      this.entries.set(this.itemsRead++, entry)
      this.weightAhead += entry.weight
      if (entry.isDone()) this.changed.tell()
      const slice = this.answerer.entered?.()
      if (slice) await slice
      if (this.isFull()) await this.rest()
      if (this.isRead) return
    }
    this.endSource()
  }

  /** Whether no more items are wanted. */
  private get isRead(): boolean {
    return this.closed.aborted || this.reading === 'ended'
  }

  private isFull(): boolean {
    return !this.closed.aborted && this.weightAhead >= this.options.maxAhead
  }

  /** Until answers have left. */
  private async rest(): Promise<void> {
    this.setReading('full')
    while (this.isFull()) await this.changed.wait()
    this.setReading('open')
  }

  private endSource(): void {
    this.itemsTotal = this.itemsRead
    this.setReading('ended')
  }

  private endAtError(error: unknown): void {
    if (this.isRead) return
    if (!this.options.answersFirst) {
      this.fail(error)
      return
    }
    this.sourceError = { error }
    this.endSource()
  }

  private setReading(reading: Reading): void {
    if (this.isRead) return
    this.readingNow = reading
    this.answerer.readingChanged?.(reading)
    this.changed.tell()
  }
}
