// How far a run is, from its files and its queue; and its end before it is done.
import type { Merged } from './merge-shards.ts'
import { type Connection, jobId, joinName } from './queue.ts'
import type { FleetRun } from './run-file.ts'
import { shardFiles } from './shard-files.ts'
import type { Storage } from './storage.ts'

export interface FleetStatus {
  run: string
  /** 'going on' while a shard waits or is run; 'gone' where the queue knows nothing of the run: it was cancelled, or lost. */
  state: 'going on' | 'joined' | 'failed' | 'gone'
  shards: number
  /** Number of shards whose answers are there. */
  done: number
  /** Names of shards that workers have begun. */
  running: readonly string[]
  waiting: number
  /** Shards that have failed, and why. */
  failed: readonly { name: string; reason: string }[]
  /** Connected workers. */
  workers: number
  /** Why the run has failed. */
  reason?: string
  merged?: Merged
}

export async function fleetStatus(
  connection: Connection,
  storage: Storage,
  { id, shards }: FleetRun,
): Promise<FleetStatus> {
  const queue = connection.queue(id)
  const [join, active, failed, counts, workers] = await Promise.all([
    queue.getJob(jobId(id, joinName)),
    queue.getActive(),
    queue.getFailed(),
    queue.getJobCounts('wait', 'delayed', 'prioritized'),
    queue.getWorkersCount(),
  ])
  const state = await join?.getState()
  const done = (await shardFiles(storage)).filter(({ kind }) => kind === 'answers').length
  const isShard = ({ name }: { name: string }) => name !== joinName
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
  return {
    run: id,
    state:
      state === 'completed'
        ? 'joined'
        : state === 'failed'
          ? 'failed'
          : join && state !== 'unknown'
            ? 'going on'
            : 'gone',
    shards,
    done,
    running: active
      .filter(isShard)
      .sort(byName)
      .map(({ name }) => name),
    // The job that joins them waits too, once no shard does.
    waiting: Object.values(counts).reduce((sum, count) => sum + count, state === 'waiting' ? -1 : 0),
    failed: failed
      .filter(isShard)
      .sort(byName)
      .map(({ name, failedReason }) => ({ name, reason: failedReason })),
    workers,
    ...(state === 'failed' && { reason: join?.failedReason ?? '' }),
    ...(state === 'completed' && { merged: join?.returnvalue as Merged }),
  }
}

/** Removes the jobs of a run; workers leave what they have begun. Shards that are done stay. */
export async function cancel(connection: Connection, { id }: FleetRun): Promise<void> {
  await connection.queue(id).obliterate({ force: true })
}
