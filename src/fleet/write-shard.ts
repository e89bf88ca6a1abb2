// Answers the lines of one range into a file that is there whole or not at all. Several processes may write the same shard at
// once, on one machine or on several: their bytes are the same, so whichever is renamed last changes nothing.
import { rm } from 'node:fs/promises'
import { MtLlamaError } from '../errors.ts'
import { LineWriter } from '../files/line-writer.ts'
import { createFile, replaceFile, writing } from '../files/output.ts'
import { packageVersion } from '../files/package-version.ts'
import type { Shard } from '../files/shard.ts'
import { answered, type CallProgress, type OnError } from '../lines/answering.ts'
import { type ScoreLineOptions, scoreAnswering } from '../lines/score-lines.ts'
import type { Model } from '../model.ts'
import { type Identity, identityOf } from './identity.ts'
import { ownPart, publish } from './publish.ts'
import { type Range, rangeLines } from './ranges.ts'
import {
  answersFile,
  doneShard,
  type Manifest,
  manifestFile,
  type ShardSettings,
  shardsPlace,
} from './shard-files.ts'

/** Where a shard comes from and goes to. */
export interface ShardWork {
  /** The whole input, and what it is. */
  file: string
  input: Identity
  range: Range
  shard: Shard
  folder: string
}

export interface WriteOptions {
  options: ScoreLineOptions
  onError: OnError
  /** Puts an error into the words of whoever asked; those of a line that failed are part of the output. */
  inWords: (error: MtLlamaError) => MtLlamaError
  onProgress?: (progress: CallProgress) => void
  signal: AbortSignal
}

/** Characters of lines that may wait for the disk. */
const maxPending = 1 << 20

/**
 * Answers a shard. Its file appears once all of it is on the disk; after an error or an abort nothing of it is left.
 * @throws what is wrong with a line, unless errors are lines; what scoring throws; DATA_INVALID where the input has changed;
 *   OUTPUT, ABORTED
 */
export async function writeShard(
  model: Model,
  { file, input, range, shard, folder }: ShardWork,
  { options, onError, inWords, onProgress = () => {}, signal }: WriteOptions,
): Promise<Manifest> {
  const to = answersFile(folder, shard)
  const part = ownPart(to)
  try {
    const handle = await writing(part, shardsPlace, () => createFile(part))
    const lines = new LineWriter(part, shardsPlace, handle)
    let [written, errors] = [0, 0]
    try {
      const all = answered(
        signal => rangeLines(file, range, signal),
        scoreAnswering(model, options, signal),
        { ...{ onError, inWords, onProgress, signal }, takeFound: () => false },
      )
      for await (const { line, error } of all) {
        lines.add(line!)
        written++
        if (error) errors++
        if (lines.waiting > maxPending) await lines.written()
        if (lines.failure) throw lines.failure
      }
    } finally {
      await lines.close()
    }
    const output = { ...(await writing(part, shardsPlace, () => identityOf(part))), lines: written, errors }
    const manifest: Manifest = { shard, input, range, settings: await settingsOf(model, options), output }
    // What tells of the answers comes first: answers that are there are done.
    const beside = manifestFile(folder, shard)
    await writing(beside, shardsPlace, () =>
      replaceFile(beside, `${JSON.stringify(manifest, null, 2)}\n`, ownPart(beside)),
    )
    await writing(to, shardsPlace, () => publish(part, to))
    return manifest
  } catch (error) {
    await rm(part, { force: true })
    const isStopped = error instanceof MtLlamaError && error.code === 'ABORTED'
    // Another process may have done the shard meanwhile, and a merge have swept this part away.
    const done = isStopped ? undefined : await doneShard(folder, shard)
    if (done) return done
    throw error
  }
}

/** What decides the bits of a model's answers. */
export async function settingsOf({ info }: Model, options: ScoreLineOptions): Promise<ShardSettings> {
  const { fingerprint: modelFingerprint, dtype, backend, addBos } = info
  return { version: await packageVersion(), modelFingerprint, dtype, backend, addBos, ...options }
}
