// Puts what is missing of a run into its queue: a job a shard, and one that joins them.
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { MtLlamaError } from '../errors.ts'
import { maxShards, type Shard, shardName } from '../files/shard.ts'
import { checkSame, type ShardFolder } from './merge-shards.ts'
import { type Connection, jobId, joinName } from './queue.ts'
import type { Plan, Range } from './ranges.ts'
import { type FleetRun, readRunFile, type ShardJob, writeRunFile } from './run-file.ts'
import { doneShards, shardCounts } from './shard-files.ts'

/** What is known of a run before it has an id. */
export type Submission = Omit<FleetRun, 'id' | 'shards' | 'input'> & {
  /** As the run's input has them. */
  inputPath: string
  inputName: string
}

export interface Submitted {
  run: FleetRun
  /** Number of shards that were done already. */
  done: number
}

/**
 * Submits what is missing of a run: a folder whose shards are all done is joined again.
 * @throws OUTPUT where the folder holds another run or shards of other settings, or the run is going on
 */
export async function submit(
  connection: Connection,
  folder: ShardFolder,
  { input, ranges }: Plan,
  { inputPath, inputName, ...submission }: Submission,
): Promise<Submitted> {
  const count = ranges.length
  if (count > maxShards)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `${count} shards; a run may have ${maxShards}. Give more requests to each: --requests-per-shard.`,
    )
  const requests = ranges.reduce((sum, { filledLines }) => sum + filledLines, 0)
  const run: FleetRun = {
    id: randomBytes(4).toString('hex'),
    input: { path: inputPath, name: inputName, requests, ...input },
    shards: count,
    ...submission,
  }
  const missing = await missingShards(folder, run, { input, ranges })
  // Of two submissions at once the second finds the run of the first.
  await connection.alone('submit', async () => {
    const before = await readRunFile(folder.storage)
    if (before) await checkEnded(connection, folder.path, before)
    await addJobs(connection, run, missing, ranges)
    // Workers that read this find the jobs.
    await writeRunFile(folder.storage, run)
    if (before) await connection.queue(before.id).obliterate({ force: true })
  })
  return { run, done: count - missing.length }
}

async function addJobs(
  connection: Connection,
  { id, shards: count, input }: FleetRun,
  missing: readonly number[],
  ranges: readonly Range[],
): Promise<void> {
  const queueName = connection.queue(id).name
  const flows = connection.flows()
  await flows.add({
    ...{ name: joinName, queueName, data: {} },
    opts: { jobId: jobId(id, joinName), removeOnComplete: false, removeOnFail: false },
    children: missing.map(index => {
      const data: ShardJob = { input: input.path, range: ranges[index - 1]!, index }
      return {
        ...{ name: shardName({ index, count }), queueName, data },
        opts: {
          jobId: jobId(id, index),
          removeOnComplete: true,
          // A shard that fails keeps neither the others nor the job that names it from being done.
          ignoreDependencyOnFailure: true,
        },
      }
    }),
  })
  await flows.close()
}

/** @throws OUTPUT where the run is going on */
async function checkEnded(connection: Connection, folder: string, { id }: FleetRun): Promise<void> {
  const state = await connection.queue(id).getJobState(jobId(id, joinName))
  if (['completed', 'failed', 'unknown'].includes(state)) return
  throw new MtLlamaError(
    'OUTPUT',
    `${folder}: its run is going on (mt-llama fleet status ${folder}). Wait for its end, or cancel it first.`,
  )
}

/** The numbers of the shards that are not done. @throws OUTPUT where one that is done is of other settings or another input */
async function missingShards(
  { storage, path }: ShardFolder,
  { settings, shards: count }: FleetRun,
  { input, ranges }: Plan,
): Promise<number[]> {
  const other = (await shardCounts(storage)).find(there => there !== count)
  if (other !== undefined)
    throw new MtLlamaError(
      'OUTPUT',
      `${path} holds shards of ${other}, and this run has ${count}. Name another --out folder.`,
    )
  const missing: number[] = []
  const done = await doneShards(storage, count)
  for (const [i, range] of ranges.entries()) {
    const shard: Shard = { index: i + 1, count }
    const manifest = done[i]
    if (!manifest) missing.push(shard.index)
    else {
      checkSame(path, manifest, { name: 'this run', input, settings })
      if (!isDeepStrictEqual(manifest.range, range))
        throw new MtLlamaError(
          'OUTPUT',
          `${path}: ${shardName(shard)} has other lines of the input than this run. Name another --out folder.`,
        )
    }
  }
  return missing
}
