// mt-llama fleet: a file scored by workers on any number of machines, by way of a queue.
import { relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { pathKind } from '../checkpoint/files.ts'
import { pinnedSettings } from '../fleet/pinned.ts'
import { planRanges } from '../fleet/ranges.ts'
import { runOf } from '../fleet/run-file.ts'
import { shardsPlace } from '../fleet/shard-files.ts'
import { cancel, type FleetStatus, fleetStatus } from '../fleet/status.ts'
import { isRemote, openStorage, storedFile } from '../fleet/storage.ts'
import { submit } from '../fleet/submit.ts'
import {
  addBitOptions,
  addCheckpointOptions,
  addThreads,
  folder,
  integer,
  type ModelOptions,
  newCommand,
} from './command.ts'
import { addRedis, type FleetOptions, withQueue } from './fleet-queue.ts'
import { type FleetWorkOptions, fleetWork } from './fleet-work.ts'
import { type Io, note, print, printJson } from './io.ts'
import { type LineOptions, onErrorOption } from './json-lines.ts'
import { embeddedModel, openCommandCheckpoint } from './open-model.ts'
import { startByteProgress } from './progress.ts'
import { addScoreOptions, type ScoreOptions } from './score.ts'

interface SubmitOptions
  extends FleetOptions,
    ScoreOptions,
    Omit<ModelOptions, 'threads'>,
    Pick<LineOptions, 'onError'> {
  out: string
  requestsPerShard: number
}

const queueHelp = `Queue:
  Redis or Valkey, by BullMQ: npm install bullmq@6 ioredis@5. --redis names the server, else the environment's REDIS_URL. Its
  maxmemory-policy must be noeviction; with appendonly yes a run outlives a restart of the server. Nothing but what
  shards there are goes through it: inputs, answers and models lie where all machines see them.

Storage:
  The input and --out may be in storage by S3's interface: s3://BUCKET/KEY and s3://BUCKET/PREFIX, with the package
  @aws-sdk/client-s3: npm install @aws-sdk/client-s3@3. The AWS_ variables say where and as whom, AWS_ENDPOINT_URL which
  server if it is not Amazon's. Models lie in folders, or on the hub.`

export function fleetCommand(io: Io): Command {
  const command = newCommand(
    'fleet',
    'Score a file by workers on many machines, by way of a queue in Redis.',
    {
      json: 'print what was done as JSON',
      examples: [
        [
          'fleet submit requests.jsonl --model /shared/llama --out /shared/scores',
          'cuts the file into shards, once',
        ],
        ['fleet work /shared/scores', 'on every machine, as often as there is room; ends once all is joined'],
        ['fleet status /shared/scores', 'shards done, running and failed, by name'],
        ['fleet cancel /shared/scores', 'what is done is kept: submit again to go on'],
      ],
    },
  ).addHelpText('after', `\n${queueHelp}`)
  for (const each of [submitCommand(io), workCommand(io), statusCommand(), cancelCommand()])
    command.addCommand(each)
  return command
}

function submitCommand(io: Io): Command {
  const command = newCommand(
    'submit',
    'Cut a file into shards, and put those that are not done into the queue.',
    {
      json: 'print the run as JSON',
      examples: [
        [
          'fleet submit requests.jsonl --model /shared/llama --out /shared/scores',
          'workers write to the folder',
        ],
        [
          'fleet submit requests.jsonl --model /shared/llama --out /shared/scores --on-error skip',
          'again, after shards have failed: only these are run, and their errors become lines',
        ],
      ],
    },
  )
    .argument(
      '<file>',
      'JSONL file of requests, as score reads them, that all workers see; or s3://BUCKET/KEY',
    )
    .requiredOption(
      '--out <dir>',
      'folder that all workers see, for shards and merged.jsonl; or s3://BUCKET/PREFIX',
      folder,
    )
    .option('--requests-per-shard <n>', 'requests of each shard', integer(1), 1000)
    .addOption(onErrorOption('what a line that fails does: fail its shard, or become a line with "error"'))
  return addRedis(addScoreOptions(addBitOptions(addCheckpointOptions(command)))).action(
    (file: string, options: SubmitOptions) => runSubmit(io, file, options),
  )
}

function workCommand(io: Io): Command {
  const command = newCommand('work', 'Load the model of a run, and score shards until all are joined.', {
    json: 'print the end of the run as JSON',
    examples: [
      ['fleet work /shared/scores', 'the model as it was submitted'],
      ['fleet work /shared/scores --model /local/llama --threads 8', 'a copy of it on this machine'],
    ],
  })
    .argument('<dir>', 'the --out folder of fleet submit', folder)
    .option('--model <path>', 'where the model lies on this machine (default: as submitted)')
  return addRedis(addThreads(command)).action((dir: string, options: FleetWorkOptions) =>
    fleetWork(io, dir, options),
  )
}

function statusCommand(): Command {
  const command = newCommand('status', 'How far a run is: shards done, running, waiting and failed.', {
    json: 'print it as JSON',
    examples: [['fleet status /shared/scores', 'names those that run and those that have failed']],
  }).argument('<dir>', 'the --out folder of fleet submit', folder)
  return addRedis(command).action((dir: string, options: FleetOptions) => runStatus(dir, options))
}

function cancelCommand(): Command {
  const command = newCommand('cancel', 'Take a run out of the queue; its workers end.', {
    json: 'an error on stderr is JSON too',
    examples: [['fleet cancel /shared/scores', 'shards that are done stay']],
  }).argument('<dir>', 'the --out folder of fleet submit', folder)
  return addRedis(command).action((dir: string, options: FleetOptions) => runCancel(dir, options))
}

async function runSubmit(io: Io, file: string, options: SubmitOptions): Promise<void> {
  const { out, requestsPerShard: linesEach, onError, boundary, tooLong, topK, allowNan = false } = options
  const { model, delta, adapter, device } = options
  io.sayAtStop(() => 'nothing was submitted')
  await withQueue(options, async connection => {
    const storage = await openStorage(out, shardsPlace)
    await storage.prepare()
    const input = await storedFile(file, shardsPlace)
    const reading = startByteProgress('read', options)
    const plan = await planRanges(input, { linesEach }, io.signal, reading.update).finally(reading.stop)
    const checkpoint = await openCommandCheckpoint({ ...options, threads: 0 }, io.signal)
    const line = { boundary, tooLong, topK, allowNan }
    const pinned = await pinnedSettings(checkpoint, { dtype: options.dtype, device }, line)
    const { run, done } = await submit(connection, { storage, path: out }, plan, {
      ...{ inputPath: inputPath(file, out), inputName: file, linesEach, onError },
      settings: pinned.settings,
      model: {
        path: await lastingPath(model ?? embeddedModel),
        ...(delta !== undefined && { delta: resolve(delta) }),
        ...(adapter && { adapters: adapter.map(path => resolve(path)) }),
        device: pinned.device,
      },
    })
    const kept = done > 0 ? `, ${done} of them done already` : ''
    note(
      `run ${run.id}: ${run.input.requests} requests in ${run.shards} shards${kept}; ${run.settings.dtype} on ${run.settings.backend}. Workers: mt-llama fleet work ${out}`,
      options,
    )
    if (options.json) await printJson({ ...run, done })
  })
}

/** The path of an input as workers find it: from the folder of the run, where both are folders. */
function inputPath(file: string, out: string): string {
  if (isRemote(file)) return file
  return isRemote(out) ? resolve(file) : relative(resolve(out), resolve(file))
}

/** A path that means the same from any folder. ORG/NAME of the hub stays as it is. */
async function lastingPath(path: string): Promise<string> {
  return (await pathKind(path)) === 'missing' ? path : resolve(path)
}

async function runStatus(dir: string, options: FleetOptions): Promise<void> {
  const storage = await openStorage(dir, shardsPlace)
  const run = await runOf(dir, storage)
  const status = await withQueue(options, connection => fleetStatus(connection, storage, run))
  if (options.json) return printJson(status)
  await print(statusText(status))
}

function statusText({
  run,
  state,
  shards,
  done,
  running,
  waiting,
  failed,
  workers,
  reason,
  merged,
}: FleetStatus): string {
  const states = {
    'going on': `going on, ${workers} connection${workers === 1 ? '' : 's'} of workers`,
    joined: `joined: ${merged?.lines} lines in ${merged?.file}`,
    failed: `failed: ${reason}`,
    gone: 'not in the queue: cancelled, or the server has lost it; submit it again to go on',
  }
  const lines = [
    `run ${run}: ${states[state]}`,
    `done     ${done} of ${shards}`,
    `running  ${running.length}${running.map((name, i) => `${i === 0 ? '  ' : ', '}${name}`).join('')}`,
    `waiting  ${waiting}`,
    `failed   ${failed.length}`,
    ...failed.map(({ name, reason }) => `  ${name}: ${reason}`),
  ]
  return `${lines.join('\n')}\n`
}

async function runCancel(dir: string, options: FleetOptions): Promise<void> {
  const run = await runOf(dir, await openStorage(dir, shardsPlace))
  await withQueue(options, connection => cancel(connection, run))
  note(`run ${run.id} is cancelled; shards that are done are kept in ${dir}`, options)
}
