// Runs generations on native sessions: prompts and new tokens of many texts share each step, and as texts end, waiting
// ones take their places.

import type { MtLlamaError } from '../errors.ts'
import { cancel, disposedError, isOutOfMemory, nativeJob, newControl, onAbort } from '../native/job.ts'
import type { Control, NativeModel, NativeSampling, NativeSession } from '../native/types.ts'
import type { Continuation } from './continuation.ts'
import { KvBudget } from './kv-budget.ts'
import { RowPool } from './row-pool.ts'

export interface GeneratorLimits {
  /** The tokens a step may have. */
  stepTokens: number
  /** Bytes that the keys and values of one position take. */
  kvBytesPerToken: number
  /** Bytes for keys and values, over all generations that run. */
  kvBytes: number
}

/** The texts of a call. */
export interface TextQueue {
  /** Texts that were read and not begun, in order; the generator takes from the front. */
  readonly waiting: Continuation[]
  /** No more will come. */
  readonly ended: boolean
  /** Waits until there are texts enough to begin with, or no more for now. False: all have begun and no more will come. */
  ready(): Promise<boolean>
}

export interface GeneratorCallbacks {
  /** Text that became certain. */
  onText: (piece: string) => void
  /** After each step: tokens it ran, texts it brought to their end. */
  onStep: (tokens: number, ended: number) => void
}

/** Texts that a step may have: more of them no longer make a token cheaper. */
export const maxSequences = 64

interface Run {
  control: Control
  fail: (error: unknown) => void
}

/** A text in a session. */
interface Running {
  text: Continuation
  firstRow: number
  /** Tokens whose keys and values are there. */
  length: number
}

export class Generator {
  private readonly native: Pick<NativeModel, 'session'>
  private readonly limits: GeneratorLimits
  private readonly budget: KvBudget
  /** Bytes that a session may take: the limit's, and fewer once an allocation of so many has failed. */
  private kvBytes: number
  private readonly runs = new Set<Run>()
  private disposed = false

  constructor(native: Pick<NativeModel, 'session'>, limits: GeneratorLimits) {
    this.native = native
    this.limits = limits
    this.budget = new KvBudget(limits.kvBytes)
    this.kvBytes = limits.kvBytes
  }

  /**
   * Generates every text of the queue to its end.
   * @param signal rejects with ABORTED
   */
  async run(
    queue: TextQueue,
    sampling: NativeSampling,
    callbacks: GeneratorCallbacks,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.disposed) throw disposedError()
    const control = newControl()
    let stopListening = () => {}
    let run: Run | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (error: unknown) => {
          cancel(control)
          reject(error)
        }
        run = { control, fail }
        this.runs.add(run)
        stopListening = onAbort(signal, fail)
        this.runSessions(queue, sampling, control, callbacks).then(resolve, reject)
      })
    } finally {
      this.runs.delete(run!)
      stopListening()
    }
  }

  dispose(): void {
    this.disposed = true
    for (const run of this.runs) run.fail(disposedError())
  }

  /** Runs one session after the other. Each lasts while texts come that fit into it and no other call waits for its memory. */
  private async runSessions(
    queue: TextQueue,
    sampling: NativeSampling,
    control: Control,
    callbacks: GeneratorCallbacks,
  ): Promise<void> {
    while (await queue.ready()) {
      // The call may have ended since it was ready.
      if (queue.waiting.length === 0) continue
      const rows = this.rowsFor(queue)
      const release = await this.budget.acquire(rows * this.limits.kvBytesPerToken)
      try {
        if (Atomics.load(control, 0) !== 0) return
        const session = await nativeJob(() => this.native.session(rows, sampling))
        try {
          await this.runSession(session, new RowPool(rows), queue, control, callbacks)
        } catch (error) {
          if (!(error instanceof NotBegun)) throw error
          // Nothing was generated yet, and fewer texts at a time may find memory.
          if (rows > queue.waiting[0]!.capacity)
            this.kvBytes = Math.min(this.kvBytes, (rows * this.limits.kvBytesPerToken) / 2)
          else {
            // No number of texts helped. Where memory comes back, texts are not to stay alone.
            this.kvBytes = this.limits.kvBytes
            throw error.cause
          }
        } finally {
          session.dispose()
        }
      } finally {
        release()
      }
    }
  }

  /**
   * Rows for the texts that wait; where others are to follow them, enough for the largest in every place, for rows come
   * free in pieces.
   */
  private rowsFor({ waiting, ended }: TextQueue): number {
    const capacities = waiting.map(text => text.capacity)
    const wanted =
      ended && waiting.length <= maxSequences
        ? capacities.reduce((rows, capacity) => rows + capacity, 0)
        : maxSequences * Math.max(...capacities)
    const maxRows = Math.floor(this.kvBytes / this.limits.kvBytesPerToken)
    return Math.max(capacities[0]!, Math.min(wanted, maxRows))
  }

  /** Each step gives one token to every text past its prompt, and the room that is left to prompts in their order. */
  private async runSession(
    session: NativeSession,
    pool: RowPool,
    queue: TextQueue,
    control: Control,
    { onText, onStep }: GeneratorCallbacks,
  ): Promise<void> {
    let running: Running[] = []
    for (let begun = false; ; begun = true) {
      while (running.length < maxSequences && queue.waiting.length > 0 && !(begun && this.budget.isWanted)) {
        const firstRow = pool.take(queue.waiting[0]!.capacity)
        if (firstRow === undefined) break
        running.push({ text: queue.waiting.shift()!, firstRow, length: 0 })
      }
      if (running.length === 0) return
      const parts = stepParts(running, this.limits.stepTokens)
      const step = concatenate(parts)
      const next = await nativeJob(() => session.step(step.sequences, step.offsets, step.ids, control)).catch(
        error => {
          if (begun || !isOutOfMemory(error)) throw error
          queue.waiting.unshift(...running.map(({ text }) => text))
          throw new NotBegun(error)
        },
      )
      for (const [i, { place, ids }] of parts.entries()) {
        place.length += ids.length
        // A prompt that is not at its end yet says nothing of what follows it.
        if (place.length < place.text.prompt.ids.length) continue
        const piece = place.text.push(next.ids[i]!, next.logProbs[i]!)
        if (piece !== '') onText(piece)
      }
      const ended = running.filter(({ text }) => text.ended)
      for (const { text, firstRow } of ended) pool.give(firstRow, text.capacity)
      running = running.filter(({ text }) => !text.ended)
      onStep(step.ids.length, ended.length)
    }
  }
}

/** A session's first step found no memory; its texts wait again. */
class NotBegun extends Error {
  constructor(cause: MtLlamaError) {
    super(cause.message, { cause })
  }
}

interface StepPart {
  place: Running
  ids: Int32Array
}

function stepParts(running: readonly Running[], stepTokens: number): StepPart[] {
  const parts: StepPart[] = []
  let room = stepTokens
  for (const place of running) {
    const { prompt, tokens } = place.text
    const unread = prompt.ids.length - place.length
    if (unread > 0 && room <= 0) continue
    const ids =
      unread > 0
        ? prompt.ids.subarray(place.length, place.length + Math.min(unread, room))
        : Int32Array.of(tokens.at(-1)!)
    parts.push({ place, ids })
    room -= ids.length
  }
  return parts
}

function concatenate(parts: readonly StepPart[]) {
  const sequences = new Int32Array(3 * parts.length)
  const offsets = new Int32Array(parts.length + 1)
  for (const [i, { place, ids }] of parts.entries()) {
    sequences.set([place.firstRow, place.length, place.text.stream], 3 * i)
    offsets[i + 1] = offsets[i]! + ids.length
  }
  const ids = new Int32Array(offsets.at(-1)!)
  for (const [i, part] of parts.entries()) ids.set(part.ids, offsets[i]!)
  return { sequences, offsets, ids }
}
