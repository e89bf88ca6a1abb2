// mt-llama score --shard: answers a part of a file into a folder, where merge joins the parts.
import type { Command } from 'commander'
import { fingerprint } from '../checkpoint/fingerprint.ts'
import { MtLlamaError, message } from '../errors.ts'
import { packageVersion } from '../files/package-version.ts'
import type { Shard } from '../files/shard.ts'
import type { Identity } from '../fleet/identity.ts'
import { checkSame, type ShardFolder } from '../fleet/merge-shards.ts'
import { planRanges } from '../fleet/ranges.ts'
import {
  answersName,
  doneShard,
  type KnownSettings,
  readManifest,
  shardFiles,
  shardsPlace,
} from '../fleet/shard-files.ts'
import { openStorage, storedFile } from '../fleet/storage.ts'
import { settingsOf, type WriteOptions, writeShard } from '../fleet/write-shard.ts'
import type { ScoreLineOptions } from '../lines/score-lines.ts'
import { dtypeOf } from '../model/dtype-names.ts'
import type { ModelOptions } from './command.ts'
import { type Io, note } from './io.ts'
import type { LineOptions } from './json-lines.ts'
import { LineProgress } from './line-progress.ts'
import { loadCheckpoint, openCommandCheckpoint } from './open-model.ts'
import { startByteProgress, startProgress } from './progress.ts'
import { inFlags } from './words.ts'

/** @throws INVALID_ARGUMENT for options that do not go together; what writeShard() throws; OUTPUT where the folder has other shards */
export async function scoreShard(
  io: Io,
  file: string | undefined,
  shard: Shard,
  {
    options,
    settings,
    command,
  }: { options: ModelOptions & LineOptions; settings: ScoreLineOptions; command: Command },
): Promise<void> {
  const { folder, input: path } = checkOptions(file, options)
  io.sayAtStop(() => 'shards that are done are kept; this one is to be run again')
  const storage = await openStorage(folder, shardsPlace)
  await storage.prepare()
  const input = await storedFile(path, shardsPlace)
  const reading = startByteProgress('read', options)
  const plan = await planRanges(input, { count: shard.count }, io.signal, reading.update).finally(
    reading.stop,
  )
  const range = plan.ranges[shard.index - 1]!
  const checkpoint = await openCommandCheckpoint(options, io.signal)
  const known: KnownSettings = {
    version: await packageVersion(),
    modelFingerprint: await fingerprint(checkpoint),
    dtype: options.dtype === 'auto' ? checkpoint.autoDType : dtypeOf(options.dtype),
    ...settings,
  }
  const ours = { shard, input: plan.input }
  await checkOthers({ storage, path: folder }, { ...ours, settings: known })
  const name = `shard ${shard.index}/${shard.count}`
  const answers = storage.where(answersName(shard))
  const done = await doneShard(storage, shard)
  if (done) return note(`${name}: done already, in ${answers}`, options)
  await using model = await loadCheckpoint(checkpoint, options, io.signal)
  await checkOthers({ storage, path: folder }, { ...ours, settings: await settingsOf(model, settings) })
  const progress = new LineProgress(startProgress('score', 'requests', options), 0)
  progress.lines = range.filledLines
  const how: WriteOptions = {
    ...{ options: settings, onError: options.onError, signal: io.signal },
    inWords: error => inFlags(error, command),
    onProgress: step => progress.update(step),
  }
  const { output } = await writeShard(model, { file: input, ...ours, range, storage }, how).finally(() =>
    progress.stop(),
  )
  const failed = output.errors > 0 ? `, ${output.errors} of them errors` : ''
  note(`${name}: ${output.lines} lines in ${answers}${failed}`, options)
}

function checkOptions(
  file: string | undefined,
  { out, resume }: LineOptions,
): { folder: string; input: string } {
  const option = { kind: 'option', name: 'shard' } as const
  if (file === undefined || file === '-')
    throw new MtLlamaError('INVALID_ARGUMENT', message`${option} takes a part of a file; name a JSONL file.`)
  if (out === undefined)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${option} writes into a folder that all shards share; name it by ${{ kind: 'option', name: 'out' }} DIR.`,
    )
  if (resume)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${option} runs what is not done in any case; leave ${{ kind: 'option', name: 'resume' }} out.`,
    )
  return { folder: out, input: file }
}

/** Compares with one shard that is there, its own where it is done: merge compares them all. @throws OUTPUT */
async function checkOthers(
  { storage, path }: ShardFolder,
  ours: { shard: Shard; input: Identity; settings: KnownSettings },
): Promise<void> {
  const there = (await shardFiles(storage))
    .filter(({ kind }) => kind === 'manifest')
    .map(({ shard }) => shard)
  const { index, count } = ours.shard
  const other = there.find(shard => shard.count !== count)
  if (other)
    throw new MtLlamaError(
      'OUTPUT',
      message`${path} holds shards of ${other.count}, and this run is of ${count}. Name another ${{ kind: 'option', name: 'out' }} folder.`,
    )
  const compared = there.find(shard => shard.index === index) ?? there[0]
  const manifest = compared && (await readManifest(storage, compared))
  if (manifest) checkSame(path, manifest, { ...ours, name: 'this run' })
}
