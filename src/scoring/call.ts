// One call of score(): reads requests ahead, plans their trees for the queue, hands out answers in input order.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Signal } from '../calls/signal.ts'
import { pull, type Source } from '../calls/source.ts'
import { onAbort } from '../native/job.ts'
import type { EncodedRequest } from './encode.ts'
import type { SequenceScores } from './pack.ts'
import type { QueuedCall, ScoreQueue } from './queue.ts'
import type { ContinuationScore, ScoreProgress, ScoreResult } from './request.ts'
import type { Sequence } from './sequence.ts'
import { planTrees, type Tree, type TreeOptions } from './tree.ts'

export interface CallOptions extends Pick<TreeOptions, 'share'> {
  topK: number
  signal: AbortSignal | undefined
  onProgress: ((progress: ScoreProgress) => void) | undefined
  /** A source or a request that is wrong ends the call once the requests before it are answered, not at once. */
  answersFirst: boolean
}

/** A window is large, so that much is shared, and of this many packs while native has nothing to do. */
const idleWindowPacks = 2
/** A window is sorted in one slice of work. */
const fullWindowTokens = 2 ** 17
/** What may be read and not yet handed out. */
const windowsAhead = 2
/** Stands for a request's own memory, so that tiny requests are bounded too. */
const tokensPerRequest = 16

interface Answer extends ScoreResult {
  remaining: number
  /** Of the look-ahead. */
  tokens: number
}

export class ScoreCall implements QueuedCall {
  readonly topK: number
  readyTokens = 0
  private readonly queue: ScoreQueue
  private readonly options: CallOptions
  private readonly ready: Tree[] = []
  private readonly answers = new Map<number, Answer>()
  /** What the latest of `ready` were planned with. */
  private readyBudget = 0
  private window: Sequence[] = []
  private windowTokens = 0
  private aheadTokens = 0
  private treesOpen = 0
  private stalled = false
  private requestsRead = 0
  private requestsDone = 0
  private requestsTotal: number | undefined
  private sourceEnded = false
  private tokensPlanned = 0
  private tokensDone = 0
  /** Of the packs that run. */
  private readonly tokensRunning = new Map<object, number>()
  private readonly start = performance.now()
  /** Aborted once the call has ended. */
  private readonly left = new AbortController()
  private failure: unknown
  /** Why there are no more requests, where that is an error. */
  private broken: { error: unknown } | undefined
  private readonly changes = new Signal()

  constructor(queue: ScoreQueue, options: CallOptions) {
    this.queue = queue
    this.options = options
    this.topK = options.topK
  }

  /** @param encode a request, given its index, as sequences */
  async *results<Request>(
    requests: Source<Request>,
    encode: (request: Request, index: number) => EncodedRequest,
  ): AsyncGenerator<ScoreResult, void, undefined> {
    const stopListening = onAbort(this.options.signal, error => this.fail(error))
    this.queue.add(this)
    if (Array.isArray(requests)) this.requestsTotal = requests.length
    this.read(requests, encode).catch(error => this.break(error))
    try {
      for (let index = 0; ; index++) {
        while (!this.ended && !this.isAnswered(index) && !(this.sourceEnded && index === this.requestsRead))
          await this.changes.wait()
        if (this.ended) throw this.failure
        const answer = this.answers.get(index)
        if (!answer) {
          if (this.broken) throw this.broken.error
          return
        }
        this.answers.delete(index)
        this.aheadTokens -= answer.tokens
        this.changes.tell()
        const { continuations, truncatedTokens, skipped } = answer
        yield { continuations, truncatedTokens, skipped }
      }
    } finally {
      stopListening()
      this.end()
    }
  }

  take(room: number): Tree | undefined {
    if (this.queue.packTokens < this.readyBudget) this.planAgain()
    const tree = this.ready[0]
    if (!tree || tree.tokens > room) return undefined
    this.ready.shift()
    this.readyTokens -= tree.tokens
    return tree
  }

  answer(sequence: Sequence, scores: SequenceScores): void {
    const answer = this.answers.get(sequence.request)!
    answer.continuations[sequence.continuation] = continuationScore(sequence, scores, this.topK)
    if (--answer.remaining === 0) this.requestsDone++
  }

  running(pack: object, tokens: number): void {
    if (tokens >= 1) this.tokensRunning.set(pack, Math.floor(tokens))
    else this.tokensRunning.delete(pack)
    this.report()
  }

  done(pack: object, trees: readonly Tree[]): void {
    this.tokensRunning.delete(pack)
    this.treesOpen -= trees.length
    for (const tree of trees) this.tokensDone += tree.tokens
    if (this.stalled && this.treesOpen === 0) this.plan()
    this.changes.tell()
    this.report()
  }

  divided(tree: Tree, parts: readonly Tree[]): void {
    this.treesOpen += parts.length - 1
    this.tokensPlanned += parts.reduce((n, part) => n + part.tokens, -tree.tokens)
  }

  fail(error: unknown): void {
    if (this.ended) return
    this.failure = error
    this.end()
  }

  private end(): void {
    this.left.abort()
    this.queue.remove(this)
    this.ready.length = 0
    this.readyTokens = 0
    this.changes.tell()
  }

  /** Reads the source to its end, encoding as it goes, at most a bounded number of tokens ahead of the answers. */
  private async read<Request>(
    requests: Source<Request>,
    encode: (request: Request, index: number) => EncodedRequest,
  ): Promise<void> {
    const few = idleWindowPacks * this.queue.packTokens
    const many = Math.max(few, fullWindowTokens)
    for await (const request of pull(requests, this.left.signal, stalled => this.stall(stalled))) {
      if (this.ended) return
      this.enter(encode(request, this.requestsRead))
      if (this.windowTokens >= (this.treesOpen === 0 ? few : many)) {
        // Planning is a slice of work of its own.
        await nextTurn()
        this.plan()
      }
      while (!this.ended && this.aheadTokens >= windowsAhead * many) {
        this.plan()
        await this.changes.wait()
      }
    }
    this.endSource()
  }

  private endSource(): void {
    this.sourceEnded = true
    this.requestsTotal = this.requestsRead
    this.plan()
    this.changes.tell()
  }

  private break(error: unknown): void {
    if (!this.options.answersFirst) this.fail(error)
    else {
      this.broken = { error }
      this.endSource()
    }
  }

  /** While the source takes long and native is idle, native gets what has been read so far. */
  private stall(stalled: boolean): void {
    this.stalled = stalled
    if (stalled && this.treesOpen === 0) this.plan()
  }

  private enter({ sequences, truncatedTokens, skipped }: EncodedRequest): void {
    let tokens = tokensPerRequest + (sequences[0]?.first ?? 0)
    for (const { ids, first } of sequences) tokens += ids.length - first
    for (const sequence of sequences) this.window.push(sequence)
    this.windowTokens += tokens
    this.aheadTokens += tokens
    this.answers.set(this.requestsRead++, {
      continuations: new Array(sequences.length),
      truncatedTokens,
      skipped,
      remaining: sequences.length,
      tokens,
    })
    if (sequences.length > 0) return
    this.requestsDone++
    this.changes.tell()
  }

  /** Turns the window into trees for the queue. */
  private plan(): void {
    if (this.window.length === 0 || this.ended) return
    this.makeReady(this.window)
    this.window = []
    this.windowTokens = 0
    this.queue.wake()
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
    const trees = planTrees(sequences, { budget: this.readyBudget, share: this.options.share })
    for (const tree of trees) {
      this.ready.push(tree)
      this.readyTokens += tree.tokens
      this.tokensPlanned += tree.tokens
    }
    this.treesOpen += trees.length
  }

  private report(): void {
    const tokensDone = [...this.tokensRunning.values()].reduce((n, tokens) => n + tokens, this.tokensDone)
    this.options.onProgress?.({
      requestsDone: this.requestsDone,
      requestsTotal: this.requestsTotal,
      tokensDone,
      tokensTotal: this.sourceEnded ? this.tokensPlanned : undefined,
      tokensPerSecond: tokensDone / ((performance.now() - this.start) / 1000),
    })
  }

  private get ended(): boolean {
    return this.left.signal.aborted
  }

  private isAnswered(index: number): boolean {
    return this.answers.get(index)?.remaining === 0
  }
}

function continuationScore(
  { ids, first }: Sequence,
  { logProbs, argmax, topIds, topLogProbs }: SequenceScores,
  topK: number,
): ContinuationScore {
  const tokens = ids.slice(first)
  const score: ContinuationScore = {
    logLikelihood: logProbs.reduce((sum, logProb) => sum + logProb, 0),
    tokenLogProbs: logProbs,
    isGreedy: tokens.every((token, i) => token === argmax[i]),
    tokens,
  }
  if (topK > 0)
    score.topAlternatives = Array.from(tokens, (_, i) =>
      Array.from({ length: topK }, (_, k) => ({
        token: topIds[i * topK + k]!,
        logProb: topLogProbs[i * topK + k]!,
      })),
    )
  return score
}
