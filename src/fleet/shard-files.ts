// The files of a shard: its answers, and beside them what they are answers to. A shard whose answers are there is done.
import { isRecord, parsedRecord } from '../data/record.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'
import type { Place } from '../files/output.ts'
import { namedShard, type Shard, shardName } from '../files/shard.ts'
import type { ScoreLineOptions } from '../lines/score-lines.ts'
import type { Identity } from './identity.ts'
import type { Range } from './ranges.ts'
import { readText, type Storage } from './storage.ts'

/** All that decides the bits of answers. */
export interface ShardSettings extends ScoreLineOptions {
  /** The version of this package. */
  version: string
  modelFingerprint: string
  dtype: string
  /** The device and its instruction set, such as 'cpu avx512_bf16'. */
  backend: string
  /** Whether each prompt begins with BOS. */
  addBos: boolean
}

/** What is known of the settings before a model is loaded. */
export type KnownSettings = Omit<ShardSettings, 'backend' | 'addBos'> & Partial<ShardSettings>

/** What stands beside the answers. */
export interface Manifest {
  shard: Shard
  input: Identity
  range: Range
  settings: ShardSettings
  /** The answers: one file of lines, of which some are errors. */
  output: Identity & { lines: number; errors: number }
}

export const shardsPlace: Place = { folder: '--out folder', kept: 'Shards that are done are kept' }

export function answersName(shard: Shard): string {
  return `${shardName(shard)}.jsonl`
}

export function manifestName(shard: Shard): string {
  return `${shardName(shard)}.json`
}

/** A file of a shard that a folder holds. */
interface ShardFile {
  shard: Shard
  kind: 'answers' | 'manifest'
}

/** @throws DATA_NOT_FOUND where the folder cannot be read */
export async function shardFiles(storage: Storage): Promise<ShardFile[]> {
  return (await storage.list()).flatMap(name => shardFile(name) ?? [])
}

function shardFile(name: string): ShardFile | undefined {
  const { shard, rest = '' } = namedShard(name) ?? {}
  const [, ending] = /^\.(jsonl?)$/.exec(rest) ?? []
  return shard && ending ? { shard, kind: ending === 'json' ? 'manifest' : 'answers' } : undefined
}

/** Of how many shards those are that a folder holds. What killed processes have left says nothing, and is in nobody's way. */
export async function shardCounts(storage: Storage): Promise<number[]> {
  return [...new Set((await shardFiles(storage)).map(({ shard }) => shard.count))]
}

/** What a shard that is done says of itself. @throws OUTPUT where its manifest is none */
export async function doneShard(storage: Storage, shard: Shard): Promise<Manifest | undefined> {
  const bytes = await storage.size(answersName(shard))
  return bytes === undefined ? undefined : readManifest(storage, shard)
}

/** Manifests that are read at once: storage that is far away answers many questions as fast as one. */
const readAtOnce = 16

/**
 * What the shards of a division say of themselves, in their order; undefined for each that is not done.
 * @throws OUTPUT where a manifest is none
 */
export async function doneShards(storage: Storage, count: number): Promise<(Manifest | undefined)[]> {
  const found: (Manifest | undefined)[] = Array.from({ length: count }, () => undefined)
  const files = await shardFiles(storage)
  const done = files.filter(
    ({ shard, kind }) =>
      kind === 'answers' && shard.count === count && shard.index >= 1 && shard.index <= count,
  )
  for (let i = 0; i < done.length; i += readAtOnce)
    await Promise.all(
      done.slice(i, i + readAtOnce).map(async ({ shard }) => {
        found[shard.index - 1] = await readManifest(storage, shard)
      }),
    )
  return found
}

/** @throws OUTPUT where the file is no manifest */
export async function readManifest(storage: Storage, shard: Shard): Promise<Manifest | undefined> {
  const name = manifestName(shard)
  const text = await readText({ storage, name })
  if (text === undefined) return undefined
  const value = parsedRecord(text)
  if (['shard', 'input', 'range', 'settings', 'output'].every(name => isRecord(value?.[name])))
    return value as unknown as Manifest
  throw new MtLlamaError(
    'OUTPUT',
    `${storage.where(name)}: does not describe a shard. Remove it, and run the shard again.`,
  )
}

/** Of how many shards some were begun, where none is done. */
export async function begunCount(storage: Storage): Promise<number | undefined> {
  const begun = (await storage.begun()).flatMap(name => shardFile(name) ?? [])
  return begun[0]?.shard.count
}

/** Removes what processes have left that were killed while they wrote shards. */
export function sweepShards(storage: Storage): Promise<void> {
  return storage.sweep(name => name === 'run.json' || shardFile(name) !== undefined)
}

/** Settings that differ, in words: ': --top-k is 1 there and 2 here; ...'. Empty where none does. */
export function differing(there: KnownSettings, here: KnownSettings): Message {
  const names = Object.keys(here) as (keyof ShardSettings)[]
  return names
    .filter(name => there[name] !== undefined && here[name] !== undefined && there[name] !== here[name])
    .flatMap((name, i) => {
      const [before, after] = [JSON.stringify(there[name]), JSON.stringify(here[name])]
      return message`${i === 0 ? ': ' : '; '}${{ kind: 'option', name }} is ${before} there and ${after} here`
    })
}
