// Fills packs from all running calls in turn and keeps native busy: one pack running, one waiting behind it.

import { byPriority, goBefore, type Priority } from '../calls/priority.ts'
import { WorkDone } from '../calls/work-done.ts'
import type { MtLlamaError } from '../errors.ts'
import { cancel, disposedError, isOutOfMemory, nativeJob, newControl, tooLargeAlone } from '../native/job.ts'
import type { Control, NativeModel } from '../native/types.ts'
import type { KeptPrefixes } from './kept-prefixes.ts'
import { Load } from './load.ts'
import { layOut, type SequenceScores, scoresAt } from './pack.ts'
import type { Sequence } from './sequence.ts'
import { halves, type Tree, tokensOf } from './tree.ts'

/** A call as the queue sees it. */
export interface QueuedCall {
  readonly topK: number
  readonly priority: Priority
  /** Tokens of the trees that wait. */
  readonly readyTokens: number
  /** No tree will come but those that wait. */
  readonly isLast: boolean
  /** The first waiting tree, which stays. */
  first(): Tree | undefined
  /** Takes the first waiting tree away. */
  take(): void
  /** Brings the scores of a sequence of a tree that was taken. */
  answer(sequence: Sequence, scores: SequenceScores): void
  /** While a pack runs: how many tokens of the call's trees in it have been run; 0 where the pack has found no memory. */
  running(pack: object, tokens: number): void
  /** A tree that found no memory was cut into others. */
  divided(tree: Tree, parts: readonly Tree[]): void
  /** All sequences of its trees in a pack were answered. */
  done(pack: object, trees: readonly Tree[]): void
  fail(error: unknown): void
}

type Entry = readonly [QueuedCall, Tree]

interface Flight {
  control: Control
  load: Load<QueuedCall>
  isSmall: boolean
}

const packsInFlight = 2
/** A call of which so small a part of a pack is left goes before larger ones, in a pack without their trees. */
const smallShare = 1 / 8
/** A pack of a large model takes many seconds; what it has done is told this often. */
const progressMs = 250

export class ScoreQueue {
  readonly prefixes: KeptPrefixes
  /** false runs every sequence by itself. */
  readonly share: boolean
  readonly done = new WorkDone()
  private readonly native: Pick<NativeModel, 'score'>
  /** Halves of packs that found no memory; they go before all else. */
  private readonly retries: Entry[][] = []
  private readonly maxPackTokens: number
  private budget: number
  private readonly calls = new Set<QueuedCall>()
  private readonly flights = new Set<Flight>()
  private waking = false
  private disposed = false

  /**
   * @param packTokens tokens a pack should have; a longer tree makes a pack of its own
   * @param share false runs every sequence by itself
   */
  constructor(
    native: Pick<NativeModel, 'score'>,
    prefixes: KeptPrefixes,
    packTokens: number,
    share: boolean,
  ) {
    this.native = native
    this.prefixes = prefixes
    this.maxPackTokens = packTokens
    this.budget = packTokens
    this.share = share
  }

  /** Tokens a pack should have: fewer than in the beginning once one has found no memory. */
  get packTokens(): number {
    return this.budget
  }

  add(call: QueuedCall): void {
    if (this.disposed) call.fail(disposedError())
    else this.calls.add(call)
  }

  /** Forgets a call; a pack that runs for no other call is cancelled. */
  remove(call: QueuedCall): void {
    if (!this.calls.delete(call)) return
    for (const flight of this.flights)
      if (![...flight.load.calls.keys()].some(other => this.calls.has(other))) cancel(flight.control)
  }

  /** To be called when trees have become ready. Calls made in one turn of the event loop share packs. */
  wake(): void {
    if (this.waking) return
    this.waking = true
    setImmediate(() => {
      this.waking = false
      this.pump()
    })
  }

  /** Fails every call; later ones fail at once. */
  dispose(): void {
    this.disposed = true
    for (const call of [...this.calls]) call.fail(disposedError())
  }

  private pump(): void {
    this.runSmall()
    while (this.fullFlights.length < packsInFlight) {
      const retry = this.nextRetry()
      if (retry) {
        void this.run(retry)
        continue
      }
      const ready = this.ready()
      if (ready.length === 0) return
      // Behind a running pack there is time to wait for a full one.
      const tokens = ready.reduce((n, call) => n + call.readyTokens, 0)
      if (this.flights.size > 0 && tokens < this.budget && !this.passes(ready)) return
      void this.run(this.gather(ready))
    }
  }

  /** Beside larger calls, those that lack little do not wait for a place in a full pack. */
  private runSmall(): void {
    const ready = this.ready()
    const small = ready.filter(call => call.isLast && call.readyTokens <= smallShare * this.budget)
    if (small.length === 0 || [...this.flights].some(({ isSmall }) => isSmall)) return
    if (small.length < ready.length || this.flights.size > 0) void this.run(this.gather(small), true)
  }

  /** Whether the calls have a higher priority than a pack in flight. */
  private passes(calls: readonly QueuedCall[]): boolean {
    return [...this.flights].some(flight => goBefore(calls, [...flight.load.calls.keys()]))
  }

  private ready(): QueuedCall[] {
    return [...this.calls].filter(({ readyTokens }) => readyTokens > 0)
  }

  private get fullFlights(): Flight[] {
    return [...this.flights].filter(({ isSmall }) => !isSmall)
  }

  /** Takes trees from the calls in turn, those of the first priority first, until none has one that fits. */
  private gather(calls: readonly QueuedCall[]): Load<QueuedCall> {
    const load = new Load<QueuedCall>(this.share)
    for (const group of byPriority(calls))
      for (let turn = group; turn.length > 0; )
        turn = turn.filter(call => {
          const tree = call.first()
          if (!tree || !load.add(call, tree, this.budget)) return false
          call.take()
          return true
        })
    // The call that came first comes last next time.
    const [first] = this.calls
    if (first && this.calls.delete(first)) this.calls.add(first)
    return load
  }

  private async run(load: Load<QueuedCall>, isSmall = false): Promise<void> {
    const flight: Flight = { control: newControl(), load, isSmall }
    const { calls } = load
    const isUrgent = isSmall || this.passes([...calls.keys()])
    const topK = Math.max(...[...calls.keys()].map(call => call.topK))
    this.flights.add(flight)
    const timer = setInterval(() => this.report(flight), progressMs)
    try {
      const pack = layOut(load.plan(this.budget), topK)
      const scorer = pack.native.segments ? this.prefixes : this.native
      const scores = await nativeJob(() => scorer.score(pack.native, flight.control, isUrgent))
      this.done.add(pack.native.ids.length, this.budget)
      for (const [call, trees] of calls) {
        if (!this.calls.has(call)) continue
        for (const { sequences } of trees.flatMap(tree => tree.leaves))
          for (const sequence of sequences)
            call.answer(sequence, scoresAt(pack.slots.get(sequence)!, scores, topK, call.topK))
        this.callBack(call, () => call.done(flight, trees))
      }
    } catch (error) {
      if (isOutOfMemory(error)) this.halve(flight, error)
      else for (const call of calls.keys()) if (this.calls.has(call)) call.fail(error)
    } finally {
      clearInterval(timer)
      this.flights.delete(flight)
      this.pump()
    }
  }

  /** Runs the trees of a pack that found no memory in two packs, and makes packs smaller from now on. */
  private halve(flight: Flight, error: MtLlamaError): void {
    let trees: Entry[] = []
    for (const [call, own] of flight.load.calls) {
      if (this.calls.has(call)) this.callBack(call, () => call.running(flight, 0))
      if (this.calls.has(call)) trees.push(...own.map((tree): Entry => [call, tree]))
    }
    if (trees.length === 0) return
    this.budget = Math.min(this.budget, Math.ceil(loadOf(trees, this.share).tokens / 2))
    if (trees.length === 1) {
      const [call, tree] = trees[0]!
      const parts = halves(tree)
      if (!parts) {
        // No size helped; where memory comes back, packs are not to stay tiny.
        this.budget = this.maxPackTokens
        call.fail(tooLargeAlone('sequence', tree.tokens, error))
        return
      }
      call.divided(tree, parts)
      trees = parts.map((part): Entry => [call, part])
    }
    const half = trees.reduce((n, [, { tokens }]) => n + tokens, 0) / 2
    let middle = 0
    for (let tokens = 0; tokens < half && middle < trees.length - 1; middle++)
      tokens += trees[middle]![1].tokens
    this.retries.push(trees.slice(0, middle), trees.slice(middle))
  }

  /** The next half of a pack, of the calls that are still there. */
  private nextRetry(): Load<QueuedCall> | undefined {
    while (this.retries.length > 0) {
      const trees = this.retries.shift()!.filter(([call]) => this.calls.has(call))
      if (trees.length > 0) return loadOf(trees, this.share)
    }
    return undefined
  }

  private report(flight: Flight): void {
    const fraction = Atomics.load(flight.control, 1) / 1e6
    for (const [call, trees] of flight.load.calls) {
      if (this.calls.has(call)) this.callBack(call, () => call.running(flight, fraction * tokensOf(trees)))
    }
  }

  /** What a call's own listeners throw ends that call and no other. */
  private callBack(call: QueuedCall, tell: () => void): void {
    try {
      tell()
    } catch (error) {
      call.fail(error)
    }
  }
}

function loadOf(trees: readonly Entry[], share: boolean): Load<QueuedCall> {
  const load = new Load<QueuedCall>(share)
  for (const [call, tree] of trees) load.add(call, tree, Number.POSITIVE_INFINITY)
  return load
}
