// Joins the answers of shards to the file that one process would have written.
import { isDeepStrictEqual } from 'node:util'
import { MtLlamaError, message, oneOf } from '../errors.ts'
import type { Place } from '../files/output.ts'
import { numbersInWords, shardName } from '../files/shard.ts'
import { Identifier, type Identity } from './identity.ts'
import {
  answersName,
  begunCount,
  differing,
  doneShards,
  type KnownSettings,
  type Manifest,
  shardCounts,
  sweepShards,
} from './shard-files.ts'
import type { Storage, StoredFile } from './storage.ts'

/** A folder of shards, and how messages name it. */
export interface ShardFolder {
  storage: Storage
  path: string
}

export interface Merged extends Identity {
  file: string
  shards: number
  lines: number
  /** Number of lines that hold an error. */
  errors: number
}

/** Progress in bytes. */
export type OnBytes = (done: number, total: number) => void

export const mergedPlace: Place = { folder: '--out file', kept: 'The shards are as they were' }

/** Of how many shards a folder holds some; undefined where it holds none. @throws OUTPUT where of several numbers */
export async function shardCount({ storage, path }: ShardFolder): Promise<number | undefined> {
  const counts = await shardCounts(storage)
  // Where shards were begun and none is done, all of them are missing.
  if (counts.length === 0) return begunCount(storage)
  if (counts.length === 1) return counts[0]
  throw new MtLlamaError(
    'OUTPUT',
    `${path} holds shards of several divisions: of ${oneOf(counts.map(String)).replace(' or ', ' and of ')}. Remove those that are not wanted.`,
  )
}

/**
 * Joins all shards of a folder in their order, and removes what killed processes have left there.
 * @param out the file to write; one that is there is replaced
 * @throws OUTPUT where shards are missing, which are named; where they are of different inputs, models or settings; where one has
 *   changed since it was written; ABORTED
 */
export async function mergeShards(
  folder: ShardFolder,
  out: StoredFile,
  count: number,
  signal: AbortSignal,
  onBytes: OnBytes = () => {},
): Promise<Merged> {
  const manifests = await readAll(folder, count)
  checkTogether(folder.path, manifests)
  const total = manifests.reduce((sum, { output }) => sum + output.bytes, 0)
  const whole = new Identifier()
  const allAnswers = async function* () {
    for (const manifest of manifests)
      for await (const chunk of checkedAnswers(folder.storage, manifest)) {
        if (signal.aborted) throw new MtLlamaError('ABORTED', 'stopped')
        whole.add(chunk)
        yield chunk
        onBytes(whole.bytes, total)
      }
  }
  await out.storage.write(out.name, allAnswers())
  await sweepShards(folder.storage)
  await out.storage.sweep(name => name === out.name)
  const sum = (name: 'lines' | 'errors') => manifests.reduce((sum, { output }) => sum + output[name], 0)
  return { file: out.path, shards: count, lines: sum('lines'), errors: sum('errors'), ...whole.identity() }
}

async function readAll({ storage, path }: ShardFolder, count: number): Promise<Manifest[]> {
  const shards = await doneShards(storage, count)
  const manifests = shards.filter(manifest => manifest !== undefined)
  const missing = shards.flatMap((manifest, i) => (manifest ? [] : [i + 1]))
  if (missing.length === 0) return manifests
  const which = missing.length === 1 ? 'shard' : 'shards'
  const is = missing.length === 1 ? 'is' : 'are'
  throw new MtLlamaError(
    'OUTPUT',
    `${path}: ${which} ${numbersInWords(missing)} of ${count} ${is} missing. Run ${missing.length === 1 ? 'it' : 'them'} (--shard ${missing[0]}/${count}), then merge again.`,
  )
}

/** @throws OUTPUT */
function checkTogether(folder: string, manifests: readonly Manifest[]): void {
  const [first, ...others] = manifests as [Manifest, ...Manifest[]]
  let end = 0
  for (const manifest of manifests) {
    const { shard, input, range } = manifest
    checkSame(folder, first, { name: shardName(shard), input, settings: manifest.settings })
    if (range.start !== end)
      throw new MtLlamaError(
        'OUTPUT',
        `${folder}: ${shardName(shard)} begins at byte ${range.start} of the input, and the one before it ends at ${end}. Remove both, and run them again.`,
      )
    end = range.end
  }
  const last = others.at(-1) ?? first
  if (end !== last.input.bytes)
    throw new MtLlamaError(
      'OUTPUT',
      `${folder}: ${shardName(last.shard)} ends at byte ${end} of the input's ${last.input.bytes}. Remove it, and run it again.`,
    )
}

/**
 * Compares a shard with another of its folder.
 * @param other what is known of it, and its name
 * @throws OUTPUT where they cannot belong together
 */
export function checkSame(
  folder: string,
  { shard, input, settings }: Pick<Manifest, 'shard' | 'input' | 'settings'>,
  other: { name: string; input: Identity; settings: KnownSettings },
): void {
  const way =
    'Shards are joined only where all of that is the same; name another folder, or remove those that differ.'
  if (!isDeepStrictEqual(input, other.input))
    throw new MtLlamaError(
      'OUTPUT',
      `${folder}: ${shardName(shard)} is of another input (${input.bytes} bytes) than ${other.name} (${other.input.bytes} bytes). ${way}`,
    )
  const differences = differing(settings, other.settings)
  if (differences.length === 0) return
  throw new MtLlamaError(
    'OUTPUT',
    message`${folder}: ${shardName(shard)} has other settings than ${other.name}${differences}. ${way}`,
  )
}

/** The bytes of a shard's answers. @throws OUTPUT where they are not those that were written */
async function* checkedAnswers(storage: Storage, { shard, output }: Manifest): AsyncGenerator<Uint8Array> {
  const name = answersName(shard)
  const read = new Identifier()
  for await (const chunk of storage.read(name)) {
    read.add(chunk)
    yield chunk
  }
  const { bytes, sha256 } = read.identity()
  if (bytes === output.bytes && sha256 === output.sha256) return
  throw new MtLlamaError(
    'OUTPUT',
    `${storage.where(name)}: has changed since it was written (${bytes} bytes, its manifest says ${output.bytes}). Remove it, and run the shard again.`,
  )
}
