// Answers the lines of one range into a file that is there whole or not at all. Several processes may write the same shard at
// once, on one machine or on several: their bytes are the same, so whichever is renamed last changes nothing.
import { MtLlamaError } from '../errors.ts'
import { packageVersion } from '../files/package-version.ts'
import type { Shard } from '../files/shard.ts'
import { answered, type CallProgress, type OnError } from '../lines/answering.ts'
import { type ScoreLineOptions, scoreAnswering } from '../lines/score-lines.ts'
import type { Model } from '../model.ts'
import { Identifier, type Identity } from './identity.ts'
import { type Range, rangeLines } from './ranges.ts'
import { answersName, doneShard, type Manifest, manifestName, type ShardSettings } from './shard-files.ts'
import type { Storage, StoredFile } from './storage.ts'

/** Where a shard comes from and goes to. */
export interface ShardWork {
  /** The whole input, and what it is. */
  file: StoredFile
  input: Identity
  range: Range
  shard: Shard
  storage: Storage
}

export interface WriteOptions {
  options: ScoreLineOptions
  onError: OnError
  /** Puts an error into the words of whoever asked; those of a line that failed are part of the output. */
  inWords: (error: MtLlamaError) => MtLlamaError
  onProgress?: (progress: CallProgress) => void
  signal: AbortSignal
}

/** Characters of lines that are written at once. */
const chunkLength = 1 << 18

/**
 * Answers a shard. Its file appears once all of it is on the disk; after an error or an abort nothing of it is left.
 * @throws what is wrong with a line, unless errors are lines; what scoring throws; DATA_INVALID where the input has changed;
 *   OUTPUT, ABORTED
 */
export async function writeShard(
  model: Model,
  { file, input, range, shard, storage }: ShardWork,
  { options, onError, inWords, onProgress = () => {}, signal }: WriteOptions,
): Promise<Manifest> {
  let manifest: Manifest | undefined
  const answers = async function* () {
    const written = new Identifier()
    let [lines, errors] = [0, 0]
    let waiting: string[] = []
    let length = 0
    const taken = () => {
      const chunk = Buffer.from(waiting.join(''))
      waiting = []
      length = 0
      written.add(chunk)
      return chunk
    }
    const all = answered(signal => rangeLines(file, range, signal), scoreAnswering(model, options, signal), {
      ...{ onError, inWords, onProgress, signal },
      takeFound: () => false,
    })
    for await (const { line, error } of all) {
      const text = `${JSON.stringify(line)}\n`
      waiting.push(text)
      length += text.length
      lines++
      if (error) errors++
      if (length >= chunkLength) yield taken()
    }
    yield taken()
    const output = { ...written.identity(), lines, errors }
    manifest = { shard, input, range, settings: await settingsOf(model, options), output }
    // What tells of the answers comes first: they appear once this has returned, and answers that are there are done.
    await storage.write(manifestName(shard), [Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)])
  }
  try {
    await storage.write(answersName(shard), answers())
    return manifest!
  } catch (error) {
    const isStopped = error instanceof MtLlamaError && error.code === 'ABORTED'
    // Another process may have done the shard meanwhile, and a merge have swept away what this one wrote.
    const done = isStopped ? undefined : await doneShard(storage, shard)
    if (done) return done
    throw error
  }
}

/** What decides the bits of a model's answers. */
export async function settingsOf({ info }: Model, options: ScoreLineOptions): Promise<ShardSettings> {
  const { fingerprint: modelFingerprint, dtype, backend, addBos } = info
  return { version: await packageVersion(), modelFingerprint, dtype, backend, addBos, ...options }
}
