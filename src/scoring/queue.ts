// Fills packs from all running calls in turn and keeps native busy: one pack running, one waiting behind it.
import type { Control, NativeModel } from '../binding.ts'
import { cancel, disposedError, nativeJob, newControl } from './native-job.ts'
import { layOut, type SequenceScores, scoresAt } from './pack.ts'
import type { Sequence } from './sequence.ts'
import type { Tree } from './tree.ts'

/** A call as the queue sees it. */
export interface QueuedCall {
  readonly topK: number
  /** Tokens of the trees that wait. */
  readonly readyTokens: number
  /** The first waiting tree, if it has at most `room` tokens. */
  take(room: number): Tree | undefined
  /** The scores of a sequence of a tree that was taken. */
  answer(sequence: Sequence, scores: SequenceScores): void
  /** Tokens of its trees in a pack that have been run so far, while the pack runs. */
  running(pack: object, tokens: number): void
  /** All sequences of its trees in a pack were answered. */
  done(pack: object, trees: readonly Tree[]): void
  fail(error: unknown): void
}

interface Flight {
  control: Control
  calls: ReadonlyMap<QueuedCall, Tree[]>
}

const packsInFlight = 2
/** A pack of a large model takes many seconds; what it has done is told this often. */
const progressMs = 250

export class ScoreQueue {
  private readonly native: Pick<NativeModel, 'score'>
  private readonly packTokens: number
  private readonly calls = new Set<QueuedCall>()
  private readonly flights = new Set<Flight>()
  private waking = false
  private disposed = false

  /** @param packTokens tokens a pack should have; a longer tree makes a pack of its own */
  constructor(native: Pick<NativeModel, 'score'>, packTokens: number) {
    this.native = native
    this.packTokens = packTokens
  }

  add(call: QueuedCall): void {
    if (this.disposed) call.fail(disposedError())
    else this.calls.add(call)
  }

  /** Forgets a call; a pack that runs for no other call is cancelled. */
  remove(call: QueuedCall): void {
    if (!this.calls.delete(call)) return
    for (const flight of this.flights)
      if (![...flight.calls.keys()].some(other => this.calls.has(other))) cancel(flight.control)
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
    while (this.flights.size < packsInFlight) {
      // Behind a running pack there is time to wait for a full one.
      const ready = [...this.calls].reduce((n, call) => n + call.readyTokens, 0)
      if (ready === 0 || (this.flights.size > 0 && ready < this.packTokens)) return
      void this.run(this.gather())
    }
  }

  /** Takes trees from the calls in turn, until none has one that fits. */
  private gather(): Map<QueuedCall, Tree[]> {
    const taken = new Map<QueuedCall, Tree[]>()
    let tokens = 0
    let turn = [...this.calls]
    while (turn.length > 0) {
      const next: QueuedCall[] = []
      for (const call of turn) {
        const tree = call.take(tokens === 0 ? Number.POSITIVE_INFINITY : this.packTokens - tokens)
        if (!tree) continue
        const trees = taken.get(call)
        if (trees) trees.push(tree)
        else taken.set(call, [tree])
        tokens += tree.tokens
        next.push(call)
      }
      turn = next
    }
    // Who was first is last next time.
    const [first] = this.calls
    if (first && this.calls.delete(first)) this.calls.add(first)
    return taken
  }

  private async run(calls: ReadonlyMap<QueuedCall, Tree[]>): Promise<void> {
    const flight = { control: newControl(), calls }
    const topK = Math.max(...[...calls.keys()].map(call => call.topK))
    this.flights.add(flight)
    const timer = setInterval(() => this.report(flight), progressMs)
    try {
      const pack = layOut([...calls.values()].flat(), topK)
      const scores = await nativeJob(() => this.native.score(pack.native, flight.control))
      for (const [call, trees] of calls) {
        if (!this.calls.has(call)) continue
        for (const { sequences } of trees.flatMap(tree => tree.leaves))
          for (const sequence of sequences)
            call.answer(sequence, scoresAt(pack.slots.get(sequence)!, scores, topK, call.topK))
        this.callBack(call, () => call.done(flight, trees))
      }
    } catch (error) {
      for (const call of calls.keys()) if (this.calls.has(call)) call.fail(error)
    } finally {
      clearInterval(timer)
      this.flights.delete(flight)
      this.pump()
    }
  }

  private report(flight: Flight): void {
    const fraction = Atomics.load(flight.control, 1) / 1e6
    for (const [call, trees] of flight.calls) {
      const tokens = trees.reduce((n, tree) => n + tree.tokens, 0)
      if (this.calls.has(call)) this.callBack(call, () => call.running(flight, fraction * tokens))
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
