// mt-llama fleet work: a worker of a run.
import { openCheckpoint } from '../checkpoint/open.ts'
import { MtLlamaError } from '../errors.ts'
import { runOf } from '../fleet/run-file.ts'
import { shardsPlace } from '../fleet/shard-files.ts'
import { openStorage } from '../fleet/storage.ts'
import { checkPinned, type WorkTimes, work } from '../fleet/worker.ts'
import { useVariantOf } from '../model/backend-name.ts'
import type { DTypeName } from '../model/dtype-names.ts'
import { type FleetOptions, withQueue } from './fleet-queue.ts'
import { localModel } from './hub-model.ts'
import { type Io, note, printJson } from './io.ts'
import { loadCheckpoint } from './open-model.ts'
import { startProgress } from './progress.ts'
import { scoreCommand } from './score.ts'
import { inFlags } from './words.ts'

export interface FleetWorkOptions extends FleetOptions {
  model?: string
  threads: number
}

/** @param times of the queue; tests have shorter ones */
export async function fleetWork(
  io: Io,
  dir: string,
  options: FleetWorkOptions,
  times: Partial<WorkTimes> = {},
): Promise<void> {
  io.sayAtStop(() => 'what was begun is given back; shards that are done are kept')
  const folder = { storage: await openStorage(dir, shardsPlace), path: dir }
  const run = await runOf(dir, folder.storage)
  const { delta, adapters, device } = run.model
  await withQueue(options, async connection => {
    useVariantOf(run.settings.backend)
    const path = await localModel(options.model ?? run.model.path, options, io.signal)
    const checkpoint = await openCheckpoint(path, { delta, adapters: adapters && [...adapters] })
    await using model = await loadCheckpoint(
      checkpoint,
      { ...options, model: path, device, dtype: run.settings.dtype as DTypeName },
      io.signal,
    )
    await checkPinned(run, model)
    const command = scoreCommand(io)
    const progress = startProgress('fleet', 'shards', options)
    const end = await work(connection, folder, run, model, {
      // As score words them: what one process would write is what workers write.
      inWords: error => inFlags(error, command),
      onNotice: text => note(text, options),
      onProgress: ({ shardsDone, shards, tokensPerSecond }) =>
        progress.update({ done: shardsDone, total: shards, tokensPerSecond }),
      ...{ signal: io.signal, times },
    }).finally(progress.stop)
    if (options.json) await printJson(end)
    if (end.state === 'failed') throw new MtLlamaError('OUTPUT', end.reason)
    note(
      end.state === 'joined'
        ? `run ${run.id}: ${end.merged.lines} lines in ${end.merged.file}`
        : `run ${run.id} was cancelled, or the queue has lost it; shards that are done are kept`,
      options,
    )
  })
}
