// Plans the trees of one call: collects sequences as they are read, and keeps trees ready for the queue.
import type { ScoreQueue } from './queue.ts'
import type { Sequence } from './sequence.ts'
import { planTrees, type Tree } from './tree.ts'

/** Packs that a window may fill while native has nothing to do; else a window is large, so that much is shared. */
const idleWindowPacks = 2
/** A window of so many tokens is sorted in one slice of work. */
const fullWindowTokens = 2 ** 17

export class Planner {
  /** Tokens of the trees that wait for the queue. */
  readyTokens = 0
  /** Trees that wait or run. */
  treesOpen = 0
  /** Tokens of all trees so far. */
  tokensPlanned = 0
  /** Requests whose sequences are in trees. */
  requestsPlanned = 0
  private readonly queue: ScoreQueue
  private readonly ready: Tree[] = []
  /** Tokens of a pack that the latest of `ready` were planned for. */
  private readyBudget = 0
  private window: Sequence[] = []
  private windowTokens = 0
  private windowRequests = 0

  constructor(queue: ScoreQueue) {
    this.queue = queue
  }

  /** The tokens that a window may grow to. */
  static maxWindowTokens(queue: ScoreQueue): number {
    return Math.max(idleWindowPacks * queue.packTokens, fullWindowTokens)
  }

  /** Takes the sequences of a request. @param tokens what they count for in the window */
  add(sequences: readonly Sequence[], tokens: number): void {
    this.windowRequests++
    for (const sequence of sequences) this.window.push(sequence)
    this.windowTokens += tokens
  }

  /** Whether it is time to plan: at once where native has nothing of this call to do. */
  get isWindowFull(): boolean {
    const isIdle = this.treesOpen === 0
    const limit = isIdle ? idleWindowPacks * this.queue.packTokens : Planner.maxWindowTokens(this.queue)
    return this.windowTokens >= limit
  }

  /** Whether all sequences so far are in trees. */
  get isPlanned(): boolean {
    return this.window.length === 0
  }

  /** Turns the window into trees for the queue. */
  plan(): void {
    this.requestsPlanned += this.windowRequests
    this.windowRequests = 0
    if (this.window.length === 0) return
    this.makeReady(this.window)
    this.window = []
    this.windowTokens = 0
    this.queue.wake()
  }

  /** The first tree that waits for the queue. */
  first(): Tree | undefined {
    if (this.queue.packTokens < this.readyBudget) this.planAgain()
    return this.ready[0]
  }

  /** Takes the first tree away. */
  take(): void {
    this.readyTokens -= this.ready.shift()!.tokens
  }

  /** A tree that was taken was cut into others. */
  divided(tree: Tree, parts: readonly Tree[]): void {
    this.treesOpen += parts.length - 1
    this.tokensPlanned += parts.reduce((n, part) => n + part.tokens, -tree.tokens)
  }

  /** Drops all that waits, when the call has ended. */
  clear(): void {
    this.window = []
    this.windowTokens = 0
    this.ready.length = 0
    this.readyTokens = 0
  }

  /** Memory has run out since the waiting trees were planned. */
  private planAgain(): void {
    const trees = this.ready.splice(0)
    for (const tree of trees) {
      this.readyTokens -= tree.tokens
      this.tokensPlanned -= tree.tokens
    }
    this.treesOpen -= trees.length
    this.makeReady(trees.flatMap(({ leaves }) => leaves.flatMap(({ sequences }) => sequences)))
  }

  private makeReady(sequences: readonly Sequence[]): void {
    this.readyBudget = this.queue.packTokens
    const trees = planTrees(sequences, { budget: this.readyBudget, share: this.queue.share })
    for (const tree of trees) {
      this.ready.push(tree)
      this.readyTokens += tree.tokens
      this.tokensPlanned += tree.tokens
    }
    this.treesOpen += trees.length
  }
}
