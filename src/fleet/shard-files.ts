// The files of a shard: its answers, and beside them what they are answers to. A shard whose answers are there is done.
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { notReadable } from '../data/lines.ts'
import { isRecord } from '../data/record.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'
import { type Place, writing } from '../files/output.ts'
import { namedShard, type Shard, shardName } from '../files/shard.ts'
import type { ScoreLineOptions } from '../lines/score-lines.ts'
import type { Identity } from './identity.ts'
import type { Range } from './ranges.ts'

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

export function answersFile(folder: string, shard: Shard): string {
  return join(folder, `${shardName(shard)}.jsonl`)
}

export function manifestFile(folder: string, shard: Shard): string {
  return join(folder, `${shardName(shard)}.json`)
}

/** A file of a shard that a folder holds. */
interface ShardFile {
  name: string
  shard: Shard
  kind: 'answers' | 'manifest' | 'part'
}

/** @throws DATA_NOT_FOUND where the folder cannot be read */
export async function shardFiles(folder: string): Promise<ShardFile[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw notReadable(folder, error)
  })
  return names.sort().flatMap(name => {
    const { shard, rest } = namedShard(name) ?? {}
    const [found, ending, part] = /^\.(json|jsonl)(\.part-.*)?$/.exec(rest ?? '') ?? []
    if (!shard || !found) return []
    return [{ name, shard, kind: part ? 'part' : ending === 'json' ? 'manifest' : 'answers' }]
  })
}

/** Of how many shards those are that a folder holds. What killed processes have left says nothing, and is in nobody's way. */
export async function shardCounts(folder: string): Promise<number[]> {
  const files = await shardFiles(folder)
  return [...new Set(files.filter(({ kind }) => kind !== 'part').map(({ shard }) => shard.count))]
}

/** What a shard that is done says of itself. @throws OUTPUT where its manifest is none */
export async function doneShard(folder: string, shard: Shard): Promise<Manifest | undefined> {
  const found = await stat(answersFile(folder, shard)).catch(() => undefined)
  return found?.isFile() ? readManifest(folder, shard) : undefined
}

/** @throws OUTPUT where the file is no manifest */
export async function readManifest(folder: string, shard: Shard): Promise<Manifest | undefined> {
  const file = manifestFile(folder, shard)
  const text = await writing(file, shardsPlace, () =>
    readFile(file, 'utf8').catch(error => {
      if (error.code !== 'ENOENT') throw error
    }),
  )
  if (text === undefined) return undefined
  const value = parsed(text)
  if (['shard', 'input', 'range', 'settings', 'output'].every(name => isRecord(value?.[name])))
    return value as unknown as Manifest
  throw new MtLlamaError('OUTPUT', `${file}: does not describe a shard. Remove it, and run the shard again.`)
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Removes what processes have left that were killed while they wrote shards. */
export async function sweepParts(folder: string): Promise<void> {
  for (const { name, kind } of await shardFiles(folder))
    if (kind === 'part') await rm(join(folder, name), { force: true })
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
