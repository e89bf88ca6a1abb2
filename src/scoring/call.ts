// One call of score(): plans the trees of its requests for the queue, and puts the scores together into answers.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Answerer, type Entry, OrderedCall, type Reading } from '../calls/ordered-call.ts'
import type { Priority } from '../calls/priority.ts'
import { inSlices, type Slices } from '../calls/slices.ts'
import type { Source } from '../calls/source.ts'
import type { KnownScores, ScoreCache } from './cache.ts'
import type { EncodedRequest } from './encode.ts'
import type { KeptPrefix } from './kept-prefixes.ts'
import type { SequenceScores } from './pack.ts'
import { Planner } from './planner.ts'
import type { QueuedCall, ScoreQueue } from './queue.ts'
import type { ContinuationScore, ScoreProgress, ScoreResult } from './request.ts'
import type { Sequence } from './sequence.ts'
import type { Tree } from './tree.ts'

export interface ScoreCallOptions {
  topK: number
  priority: Priority
  cache?: ScoreCache | undefined
  signal: AbortSignal | undefined
  onProgress: ((progress: ScoreProgress) => void) | undefined
  /** A source or a request that is wrong ends the call once the requests before it are answered, not at once. */
  answersFirst: boolean
  /** What messages call the source. @default 'requests' */
  sourceName?: string
}

/** Windows that may be read and not yet handed out. */
const windowsAhead = 2
/** Stands for a request's own memory, so that tiny requests are bounded too. */
const tokensPerRequest = 16

export class ScoreCall<Request> implements QueuedCall, Answerer<Request, ScoreResult, RequestScores> {
  readonly topK: number
  readonly priority: Priority
  /** undefined where alternatives are asked for, which it does not hold. */
  private readonly cache: ScoreCache | undefined
  private readonly queue: ScoreQueue
  private readonly options: ScoreCallOptions
  private readonly encode: (request: Request, index: number) => Slices<EncodedRequest>
  private readonly call: OrderedCall<Request, ScoreResult, RequestScores>
  private readonly planner: Planner
  /** Those that sequences of this call begin with. */
  private readonly prefixes = new Set<KeptPrefix>()
  private requestsDone = 0
  private tokensDone = 0
  /** Tokens that were run so far of each pack that runs. */
  private readonly tokensRunning = new Map<object, number>()
  private readonly start = performance.now()

  /** @param encode a request, given its index, as sequences */
  constructor(
    queue: ScoreQueue,
    options: ScoreCallOptions,
    encode: (request: Request, index: number) => Slices<EncodedRequest>,
  ) {
    this.queue = queue
    this.options = options
    this.encode = encode
    this.topK = options.topK
    this.priority = options.priority
    this.cache = options.topK > 0 ? undefined : options.cache
    this.planner = new Planner(queue)
    const maxAhead = windowsAhead * Planner.maxWindowTokens(queue)
    this.call = new OrderedCall<Request, ScoreResult, RequestScores>(this, {
      ...{ sourceName: 'requests', ...options, maxAhead },
    })
  }

  results(requests: Source<Request>): AsyncGenerator<ScoreResult, void, undefined> {
    return this.call.answers(requests)
  }

  begin(): void {
    this.queue.add(this)
  }

  enter(request: Request, index: number): RequestScores | Promise<RequestScores> {
    const encoded = inSlices(this.encode(request, index), this.call.closed)
    return encoded instanceof Promise ? encoded.then(late => this.add(late)) : this.add(encoded)
  }

  private add(encoded: EncodedRequest): RequestScores {
    const { cache } = this
    const { sequences } = encoded
    const known = cache ? sequences.map(sequence => cache.find(sequence)) : []
    const unknown = this.withoutPrefixes(cache ? sequences.filter((_, i) => !known[i]) : sequences)
    let tokens = tokensPerRequest + (unknown[0]?.first ?? 0)
    for (const { ids, first } of unknown) tokens += ids.length - first
    const scores = new RequestScores(encoded, tokens)
    for (const [i, found] of known.entries()) if (found) scores.set(i, knownScore(sequences[i]!, found))
    this.planner.add(unknown, tokens)
    if (scores.isDone()) this.requestsDone++
    return scores
  }

  /** What of the sequences has to run. */
  private withoutPrefixes(sequences: readonly Sequence[]): readonly Sequence[] {
    // After the end nobody would release what is used.
    if (this.call.closed.aborted) return sequences
    return sequences.map(sequence => this.queue.prefixes.shorten(sequence, this.prefixes))
  }

  entered(): Promise<void> | undefined {
    // Planning is a slice of work of its own.
    return this.planner.isWindowFull ? nextTurn().then(() => this.planner.plan()) : undefined
  }

  readingChanged(reading: Reading): void {
    if (reading === 'stalled') this.planIfIdle()
    else if (reading !== 'open') this.planner.plan()
  }

  end(): void {
    this.queue.remove(this)
    this.planner.clear()
    for (const prefix of this.prefixes) this.queue.prefixes.release(prefix)
  }

  get readyTokens(): number {
    return this.planner.readyTokens
  }

  get isLast(): boolean {
    return this.call.reading === 'ended' && this.planner.isPlanned
  }

  first(): Tree | undefined {
    return this.planner.first()
  }

  take(): void {
    this.planner.take()
  }

  answer(sequence: Sequence, scores: SequenceScores): void {
    const request = this.call.entry(sequence.request)!
    const score = continuationScore(sequence, scores, this.topK)
    this.cache?.add(sequence.whole ?? sequence, { logProbs: scores.logProbs, isGreedy: score.isGreedy })
    request.set(sequence.continuation, score)
    if (request.isDone()) this.requestsDone++
  }

  running(pack: object, tokens: number): void {
    if (tokens >= 1) this.tokensRunning.set(pack, Math.floor(tokens))
    else this.tokensRunning.delete(pack)
    this.report()
  }

  done(pack: object, trees: readonly Tree[]): void {
    this.tokensRunning.delete(pack)
    this.planner.treesOpen -= trees.length
    for (const tree of trees) this.tokensDone += tree.tokens
    if (this.call.reading === 'stalled') this.planIfIdle()
    this.call.changed.tell()
    this.report()
  }

  divided(tree: Tree, parts: readonly Tree[]): void {
    this.planner.divided(tree, parts)
  }

  fail(error: unknown): void {
    this.call.fail(error)
  }

  /** While the source takes long and native has nothing of this call to do, it gets what has been read so far. */
  private planIfIdle(): void {
    if (this.planner.treesOpen === 0) this.planner.plan()
  }

  private report(): void {
    const tokensDone = [...this.tokensRunning.values()].reduce((n, tokens) => n + tokens, this.tokensDone)
    this.options.onProgress?.({
      requestsDone: this.requestsDone,
      requestsTotal: this.call.itemsTotal,
      tokensDone,
      tokensTotal: this.call.reading === 'ended' ? this.planner.tokensPlanned : undefined,
      ...{ requestsPlanned: this.planner.requestsPlanned, tokensPlanned: this.planner.tokensPlanned },
      tokensPerSecond: tokensDone / ((performance.now() - this.start) / 1000),
    })
  }
}

/** The scores of a request's continuations, as they come. */
class RequestScores implements Entry<ScoreResult> {
  readonly weight: number
  private readonly request: EncodedRequest
  private readonly continuations: ContinuationScore[]
  private missing: number

  constructor(request: EncodedRequest, weight: number) {
    this.request = request
    this.weight = weight
    this.missing = request.sequences.length
    this.continuations = new Array(this.missing)
  }

  set(continuation: number, score: ContinuationScore): void {
    this.continuations[continuation] = score
    this.missing--
  }

  isDone(): boolean {
    return this.missing === 0
  }

  answer(): ScoreResult {
    const { truncatedTokens, skipped } = this.request
    return { continuations: this.continuations, truncatedTokens, skipped }
  }
}

function knownScore({ ids, first }: Sequence, { logProbs, isGreedy }: KnownScores): ContinuationScore {
  return { ...sums(logProbs), isGreedy, tokens: [...ids.subarray(first)] }
}

function sums(logProbs: Float32Array): Pick<ContinuationScore, 'logLikelihood' | 'tokenLogProbs'> {
  const tokenLogProbs = [...logProbs]
  return { logLikelihood: tokenLogProbs.reduce((sum, logProb) => sum + logProb, 0), tokenLogProbs }
}

function continuationScore(
  { ids, first }: Sequence,
  { logProbs, argmax, topIds, topLogProbs }: SequenceScores,
  topK: number,
): ContinuationScore {
  const tokens = [...ids.subarray(first)]
  const score: ContinuationScore = {
    ...sums(logProbs),
    // Where logits are NaN, no token is the best, whatever argmax says.
    isGreedy: tokens.every((token, i) => token === argmax[i] && !Number.isNaN(logProbs[i])),
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
