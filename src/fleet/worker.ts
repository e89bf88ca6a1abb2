// Works on the jobs of a run until it is joined. A job may be given to several workers, after a lost lock or a lost machine: its
// answers are the same bits, and appear by a rename, so that comes to having been done once.
import { setTimeout as delay } from 'node:timers/promises'
import type { Job, Queue } from 'bullmq'
import { type ErrorCode, MtLlamaError, message } from '../errors.ts'
import type { Model } from '../model.ts'
import { type Merged, mergedPlace, mergeShards, type ShardFolder } from './merge-shards.ts'
import { type Connection, jobId, joinName } from './queue.ts'
import type { FleetRun, ShardJob } from './run-file.ts'
import { differing, doneShard, type ShardSettings, shardsPlace } from './shard-files.ts'
import { pathIn, resolvedIn, type StoredFile, storedFile } from './storage.ts'
import { settingsOf, type WriteOptions, writeShard } from './write-shard.ts'

export interface WorkOptions {
  /** Puts errors of lines into the words that one process would have for them. */
  inWords: WriteOptions['inWords']
  /** Told what goes wrong with the queue, and which shards fail. */
  onNotice: (text: string) => void
  onProgress: (progress: WorkProgress) => void
  /** Stops the worker, which gives back what it has begun. */
  signal: AbortSignal
  times?: Partial<WorkTimes>
}

export interface WorkProgress {
  /** Shards of the run that are done or have failed, by all workers. */
  shardsDone: number
  shards: number
  /** Of this worker. */
  tokensPerSecond: number
}

/** All in ms. */
export interface WorkTimes {
  /** A worker that has not renewed its locks for so long has lost its jobs to others. */
  lock: number
  /** Between two looks for such jobs. */
  stalled: number
  /** Between two looks at whether the run has ended. */
  poll: number
}

const defaultTimes: WorkTimes = { lock: 30_000, stalled: 15_000, poll: 1000 }

/** Jobs at once: while answers of one are written and its last pack is run, the next one fills packs. */
const concurrency = 2

/**
 * How often a job may be found without a lock: each time stands for a machine that is gone, or that stood still, which
 * says nothing of the shard. One that ends every process that takes it is to fail in the end.
 */
const maxStalledCount = 20

/** How many workers may end by what is wrong with them, as they say, before the shard is to blame. */
const maxWorkersEnded = 5

/** What a job holds once a worker has ended by it. */
type TakenJob = ShardJob & { workersEnded?: number }

export type WorkEnd =
  | { state: 'joined'; merged: Merged }
  | { state: 'failed'; reason: string }
  | { state: 'cancelled' }

/**
 * Runs jobs until the run has ended.
 * @throws what ended this worker: a full disk, an input that cannot be read; its jobs are given back first. ABORTED
 */
export async function work(
  connection: Connection,
  folder: ShardFolder,
  run: FleetRun,
  model: Model,
  options: WorkOptions,
): Promise<WorkEnd> {
  const jobs = new Jobs(connection, folder, run, model, options)
  const { lock, stalled, poll } = { ...defaultTimes, ...options.times }
  const worker = connection.worker<TakenJob, string | Merged>(
    run.id,
    (job, token) => jobs.run(job, token),
    { ...{ concurrency, maxStalledCount }, lockDuration: lock, stalledInterval: stalled, drainDelay: 1 },
    options.onNotice,
  )
  const queue = connection.queue(run.id)
  try {
    const end = await untilEnd(queue, run, jobs, options.onProgress, poll)
    if (end) return end
    throw jobs.failure ?? new MtLlamaError('ABORTED', 'stopped')
  } finally {
    jobs.stop()
    const closed = Promise.allSettled([worker.close(), queue.close()])
    await Promise.race([closed, delay(closeMs, undefined, { ref: false })])
  }
}

/** @returns undefined where this worker has been stopped before the run has ended */
async function untilEnd(
  queue: Queue,
  run: FleetRun,
  jobs: Jobs,
  onProgress: WorkOptions['onProgress'],
  poll: number,
): Promise<WorkEnd | undefined> {
  const stopped = new Promise<undefined>(resolve => {
    jobs.signal.addEventListener('abort', () => resolve(undefined), { once: true })
    if (jobs.signal.aborted) resolve(undefined)
  })
  const id = jobId(run.id, joinName)
  for (;;) {
    // Where the server is away this waits until it is back.
    const state = await Promise.race([queue.getJobState(id), stopped])
    if (state === undefined) return undefined
    if (state === 'unknown') return { state: 'cancelled' }
    if (state === 'completed' || state === 'failed') {
      const job = await queue.getJob(id)
      if (state === 'failed') return { state, reason: job?.failedReason ?? '' }
      return { state: 'joined', merged: job?.returnvalue as Merged }
    }
    const counts = await Promise.race([queue.getJobCounts('wait', 'active', 'delayed'), stopped])
    if (counts === undefined) return undefined
    const left = Object.values(counts).reduce((sum, count) => sum + count, 0)
    const { tokensPerSecond } = jobs
    onProgress({ shardsDone: Math.max(run.shards - left, 0), shards: run.shards, tokensPerSecond })
    await delay(poll, undefined, { signal: jobs.signal }).catch(() => {})
  }
}

/** Runs jobs as the queue gives them to this worker. */
class Jobs {
  /** What was wrong with this worker, which has stopped then. */
  failure: unknown
  /** Fires where the worker stops, by itself or by its caller. */
  readonly signal: AbortSignal
  readonly #ended = new AbortController()
  readonly #bullmq: Connection['bullmq']
  readonly #folder: ShardFolder
  readonly #run: FleetRun
  readonly #model: Model
  readonly #options: WorkOptions
  readonly #speeds = new Map<string, number>()
  #input: Promise<StoredFile> | undefined

  constructor(
    { bullmq }: Connection,
    folder: ShardFolder,
    run: FleetRun,
    model: Model,
    options: WorkOptions,
  ) {
    this.#bullmq = bullmq
    this.#folder = folder
    this.#run = run
    this.#model = model
    this.#options = options
    this.signal = AbortSignal.any([options.signal, this.#ended.signal])
  }

  get tokensPerSecond(): number {
    return [...this.#speeds.values()].reduce((sum, speed) => sum + speed, 0)
  }

  stop(): void {
    this.#ended.abort()
  }

  /** Runs a job, fails it for good, or gives it back and stops. */
  async run(job: Job<TakenJob>, token: string | undefined): Promise<string | Merged> {
    const isJoin = job.name === joinName
    try {
      if (this.signal.aborted) throw new MtLlamaError('ABORTED', 'stopped')
      return isJoin ? await this.#join(job) : await this.#shard(job)
    } catch (error) {
      const isStopped = this.signal.aborted
      // Starts of the job are no measure: workers that were stopped have given it back, and are not to be held against it.
      const workersEnded = (job.data.workersEnded ?? 0) + (isStopped ? 0 : 1)
      if (!isOfWorker(error) || workersEnded > maxWorkersEnded) {
        if (!isJoin) this.#options.onNotice(`${job.name} has failed: ${textOf(error)}`)
        throw new this.#bullmq.UnrecoverableError(isJoin ? messageOf(error) : textOf(error))
      }
      if (!isStopped) {
        this.failure = error
        this.stop()
        await job.updateData({ ...job.data, workersEnded })
      }
      await job.moveToWait(token)
      throw new this.#bullmq.WaitingError()
    }
  }

  async #shard({ id = '', data }: Job<ShardJob>): Promise<string> {
    const { input, range, index } = data
    const { settings, onError, shards: count, ...run } = this.#run
    const shard = { index, count }
    const { storage, path } = this.#folder
    if (await doneShard(storage, shard)) return 'done already'
    const { bytes, sha256, name } = run.input
    // All jobs of a run have one input, which keeps one set of connections.
    this.#input ??= storedFile(resolvedIn(path, input), shardsPlace)
    const file = { ...(await this.#input), path: name }
    try {
      await writeShard(
        this.#model,
        { file, input: { bytes, sha256 }, range, shard, storage },
        {
          ...{ options: lineOptions(settings), onError, inWords: this.#options.inWords, signal: this.signal },
          onProgress: ({ tokensPerSecond }) => this.#speeds.set(id, tokensPerSecond),
        },
      )
    } finally {
      this.#speeds.delete(id)
    }
    return 'done'
  }

  async #join(job: Job): Promise<Merged> {
    const failures = Object.entries(await job.getIgnoredChildrenFailures())
    if (failures.length > 0)
      throw new MtLlamaError('OUTPUT', failedWords(this.#folder.path, this.#run, failures))
    const out = await storedFile(pathIn(this.#folder.path, 'merged.jsonl'), mergedPlace)
    return mergeShards(this.#folder, out, this.#run.shards, this.signal)
  }
}

/** Time in ms that jobs have to be given back: a server that is gone takes none. */
const closeMs = 5000

/**
 * Compares what a worker's model gives with what the run is pinned to.
 * @throws INVALID_ARGUMENT where its bits would differ
 */
export async function checkPinned({ settings }: FleetRun, model: Model): Promise<void> {
  const differences = differing(settings, await settingsOf(model, lineOptions(settings)))
  if (differences.length === 0) return
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`this worker cannot give the bits that the run is pinned to, and takes none of its shards${differences} (there: the run). MT_LLAMA_CPU, as the run is submitted, names an instruction set that all machines have`,
  )
}

function lineOptions({ boundary, tooLong, topK, allowNan }: ShardSettings) {
  return { boundary, tooLong, topK, allowNan }
}

/** Codes of errors that another worker may not have. */
const codesOfWorkers: ReadonlySet<ErrorCode> = new Set([
  'ABORTED',
  'DATA_NOT_FOUND',
  'OUT_OF_MEMORY',
  'DISPOSED',
  // A GPU that has failed fails everything that follows: a worker that went on would spoil the whole run.
  'DEVICE_UNAVAILABLE',
  'INTERNAL',
])

/** Whether an error is of this worker rather than of the shard: of its disk, its memory, its view of the shared folder. */
function isOfWorker(error: unknown): boolean {
  if (!(error instanceof MtLlamaError)) return isOfSystem(error)
  // What was found in the folder has no cause; what kept it from being read or written has.
  return codesOfWorkers.has(error.code) || (error.code === 'OUTPUT' && error.cause !== undefined)
}

function isOfSystem(error: unknown): boolean {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).errno === 'number'
}

function textOf(error: unknown): string {
  return error instanceof MtLlamaError ? `${error.message} [${error.code}]` : messageOf(error)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** At most so many shards are named in a message. */
const namedFailures = 8

function failedWords(
  folder: string,
  { id, shards }: FleetRun,
  failures: readonly (readonly [key: string, reason: string])[],
): string {
  const of = (key: string) => Number(key.slice(key.lastIndexOf(`${id}-`) + id.length + 1))
  const words = failures
    .map(([key, reason]) => [of(key), reason] as const)
    .sort(([a], [b]) => a - b)
    .slice(0, namedFailures)
    .map(([index, reason]) => `shard ${index}/${shards}: ${reason}`)
  const more = failures.length > namedFailures ? `; and ${failures.length - namedFailures} more` : ''
  return `${failures.length} of ${shards} shards have failed, the others are done: ${words.join('; ')}${more}. Once the cause is mended, submit the run to ${folder} again: only these are run.`
}
