// The queue of a run in Redis or Valkey, by BullMQ. Its packages are loaded when a command asks for them: most need none.
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { FlowProducer, Processor, Queue, Worker, WorkerOptions } from 'bullmq'
import type { Redis } from 'ioredis'
import { MtLlamaError } from '../errors.ts'

/** The job that joins the shards, once all of them are done or have failed. */
export const joinName = 'join'

/** Time in ms for the first connection. */
const connectMs = 10_000

/** Time in ms after which what a process does alone is given up: it has been killed, or has lost the server. */
const aloneMs = 60_000
/** Time in ms between two looks at whether another process is done. */
const alonePollMs = 50

type Bullmq = typeof import('bullmq')

export class Connection {
  readonly bullmq: Bullmq
  readonly #client: Redis
  /** Those that BullMQ makes of the client, to wait for jobs on. */
  readonly #copies: Redis[] = []

  private constructor(bullmq: Bullmq, client: Redis) {
    this.bullmq = bullmq
    this.#client = client
    const duplicate = client.duplicate.bind(client)
    client.duplicate = options => {
      const copy = duplicate(options)
      this.#copies.push(copy)
      return copy
    }
  }

  /**
   * @param url 'redis://host:6379', or the path of a socket
   * @param onNotice told what goes wrong with the connection, which is made again by itself; the same only once
   * @throws QUEUE where it cannot be reached, would drop jobs to make room, or packages are missing
   */
  static async open(url: string, onNotice: (text: string) => void): Promise<Connection> {
    const { bullmq, Redis } = await packages()
    // Commands wait for a server that is restarted, however often that is tried.
    let isOpen = false
    const client = new Redis(url, {
      ...{ maxRetriesPerRequest: null, lazyConnect: true, connectTimeout: connectMs },
      // A server that was never there is an error; one that has gone is waited for.
      retryStrategy: times => (isOpen ? Math.min(times * 50, 2000) : null),
    })
    let last = ''
    // Without a listener an error of the connection would end the process.
    client.on('error', (error: Error) => {
      if (isOpen && error.message !== last) onNotice(`queue: ${error.message}; waiting for it`)
      last = error.message
    })
    client.on('ready', () => {
      if (isOpen && last !== '') onNotice('queue: connected again')
      last = ''
      isOpen = true
    })
    try {
      await client.connect()
      await checkEviction(client, url)
    } catch (error) {
      if (client.status !== 'end') client.disconnect()
      if (error instanceof MtLlamaError) throw error
      throw new MtLlamaError(
        'QUEUE',
        `${withoutPassword(url)}: cannot be reached (${last || (error as Error).message}). Start Redis or Valkey there, or name another by --redis.`,
        { cause: error },
      )
    }
    return new Connection(bullmq, client)
  }

  /** The queue of a run. */
  queue(run: string): Queue {
    return listening(new this.bullmq.Queue(queueName(run), { connection: this.#client }))
  }

  flows(): FlowProducer {
    return listening(new this.bullmq.FlowProducer({ connection: this.#client }))
  }

  /** @param onNotice told what goes wrong, after which the worker goes on by itself */
  worker<Data, Result>(
    run: string,
    work: Processor<Data, Result>,
    options: Omit<WorkerOptions, 'connection'>,
    onNotice: (text: string) => void,
  ): Worker<Data, Result> {
    const worker = new this.bullmq.Worker<Data, Result>(queueName(run), work, {
      ...options,
      connection: this.#client,
      // After a failure of the connection, in ms: a worker that is to end while the server is away waits for that too.
      runRetryDelay: 1000,
    })
    worker.on('error', error => {
      // The connection tells of itself.
      if (!('code' in error) && !/Connection is closed/.test(error.message))
        onNotice(`queue: ${error.message}`)
    })
    return worker
  }

  /** Does work that no two processes do at once. @param name of the work, for all runs of the server */
  async alone<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const key = `mt-llama-alone-${name}`
    const own = randomBytes(8).toString('hex')
    while ((await this.#client.set(key, own, 'PX', aloneMs, 'NX')) === null) await delay(alonePollMs)
    try {
      return await work()
    } finally {
      // It may be another's by now.
      const release = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end"
      await this.#client.eval(release, 1, key, own)
    }
  }

  /** Where the server is away, BullMQ does not end by itself: its connections would be tried for ever. */
  close(): void {
    // One that has ended would keep the process for two seconds more.
    for (const client of [this.#client, ...this.#copies]) if (client.status !== 'end') client.disconnect()
  }
}

/** Ids are of a run: a job that an earlier run has done is another. */
export function jobId(run: string, name: string | number): string {
  return `${run}-${name}`
}

function queueName(run: string): string {
  return `mt-llama-${run}`
}

function listening<Emitter extends { on(event: 'error', listener: () => void): unknown }>(
  emitter: Emitter,
): Emitter {
  // They share the connection, which has a listener that tells.
  emitter.on('error', () => {})
  return emitter
}

async function packages(): Promise<{ bullmq: Bullmq; Redis: typeof import('ioredis').Redis }> {
  try {
    const [bullmq, { Redis }] = await Promise.all([import('bullmq'), import('ioredis')])
    return { bullmq, Redis }
  } catch (error) {
    throw new MtLlamaError(
      'QUEUE',
      `a fleet needs the packages bullmq and ioredis, which are not installed with this one: npm install bullmq@6 ioredis@5 (${(error as Error).message})`,
      { cause: error },
    )
  }
}

/** @throws QUEUE where the server may remove jobs as its memory runs out */
async function checkEviction(client: Redis, url: string): Promise<void> {
  const found = /^maxmemory_policy:(.*?)\r?$/m.exec(await client.info('memory'))?.[1]
  if (found === undefined || found === 'noeviction') return
  throw new MtLlamaError(
    'QUEUE',
    `${withoutPassword(url)}: maxmemory-policy is ${found}, by which jobs could be removed; expected noeviction. Set it in the server's configuration, or by CONFIG SET maxmemory-policy noeviction.`,
  )
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}
