// Finds a checkpoint of the hub in the cache, or downloads what a load needs of it into the cache.
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MtLlamaError } from '../errors.ts'
import type { Lock } from '../files/lock.ts'
import { outputError, type Place, writing } from '../files/output.ts'
import { RepoCache } from './cache.ts'
import { absentSettings, type Choice, chooseFiles, withShards } from './checkpoint-files.ts'
import { HubClient } from './client.ts'
import { findCommit, type HubFile, listFiles } from './listing.ts'
import { lockPull, type PullOptions } from './pull.ts'
import { checkRepo, type Repo, repoName } from './repo.ts'
import type { HubSettings } from './settings.ts'
import { transferAll } from './transfer.ts'

/** A checkpoint to find. */
export interface ModelName {
  repo: Repo
  /** A GGUF file of the repository; undefined for one of other formats, or the only GGUF model. */
  gguf?: string | undefined
}

export interface FoundModel {
  /** What openCheckpoint() takes: the folder of the commit, or a GGUF file in it. */
  path: string
  commit: string
}

const place: Place = {
  folder: 'cache folder (HF_HUB_CACHE)',
  kept: 'What was downloaded is kept',
}

/**
 * Downloads the newest commit of the revision, as far as the cache does not have it.
 * @throws INVALID_ARGUMENT, HUB_NOT_FOUND, HUB_ACCESS, HUB_FAILED, CHECKPOINT_CORRUPT (an index of shards), OUTPUT, ABORTED
 */
export async function pullModel(
  { repo, gguf }: ModelName,
  settings: HubSettings,
  options: PullOptions = {},
): Promise<FoundModel> {
  checkRepo(repo)
  if (settings.offline) return fromCacheAlone({ repo, gguf }, settings)
  const client = new HubClient(settings, options)
  const cache = new RepoCache(settings.cacheDir, repo)
  const commit = await findCommit(client, repo)
  const listed = new Map((await listFiles(client, repo, commit)).map(file => [file.path, file]))
  const names = [...listed.keys()]
  const chosen = chooseFiles(names, gguf)
  if (typeof chosen === 'string') throw new MtLlamaError('HUB_NOT_FOUND', `${repoName(repo)}: ${chosen}`)

  let lock: Lock | undefined
  try {
    for (;;) {
      const { choice, missing } = await plan(chosen, cache.snapshot(commit), listed, repo)
      if (missing.length === 0) {
        await record(cache, commit, absentSettings(names, choice))
        return { path: join(cache.snapshot(commit), choice.open), commit }
      }
      // Another process may have downloaded them while this one has waited for the lock: they are looked for once more.
      if (!lock) lock = await lockPull(cache.lockPath, cache.folder, place, options)
      else await fetchMissing(client, cache, missing, { repo, commit, options })
    }
  } finally {
    await lock?.release()
  }
}

/**
 * Finds a checkpoint in the cache, or else downloads it. What the cache has of the revision counts, though the hub may have
 * a newer commit by now. The hub is asked where the cache does not show that nothing is missing; where it does not answer,
 * what is there is used, with a note.
 * @throws what pullModel() throws
 */
export async function findModel(
  name: ModelName,
  settings: HubSettings,
  options: PullOptions = {},
): Promise<FoundModel> {
  checkRepo(name.repo)
  const cached = await inCache(name, settings)
  if (cached === undefined || settings.offline) return pullModel(name, settings, options)
  const { path, commit, uncertain } = cached
  if (uncertain === undefined) return { path, commit }
  try {
    return await pullModel({ ...name, repo: { ...name.repo, revision: commit } }, settings, options)
  } catch (error) {
    if (!(error instanceof MtLlamaError) || !error.code.startsWith('HUB_')) throw error
    options.onNote?.(`${error.message}. What the cache has is used: ${path} (${uncertain})`)
    return { path, commit }
  }
}

interface CachedModel extends FoundModel {
  /** What cannot be known from the cache; undefined where the hub need not be asked. */
  uncertain: string | undefined
}

/** @returns undefined where the cache lacks a file that a load needs */
async function inCache({ repo, gguf }: ModelName, settings: HubSettings): Promise<CachedModel | undefined> {
  const cache = new RepoCache(settings.cacheDir, repo)
  const commit = await cache.commit()
  if (commit === undefined) return undefined
  const names = await cache.files(commit)
  let choice = chooseFiles(names, gguf)
  if (typeof choice === 'string') return undefined
  if (choice.sharded) {
    const index = await readFile(join(cache.snapshot(commit), choice.sharded.index), 'utf8')
    try {
      choice = withShards(choice, choice.sharded, index)
    } catch {
      // A download that asks the hub says whose fault a broken index is.
      return undefined
    }
  }
  if (!choice.files.every(file => names.includes(file))) return undefined
  const lacking = absentSettings(names, choice)
  const known = await cache.absentAmong(lacking, commit)
  const unknown = lacking.filter(name => !known.includes(name))
  const isPreferred = gguf !== undefined || choice.files.some(name => /^model.*\.safetensors$/.test(name))
  const uncertain =
    unknown.length > 0
      ? `the repository may have ${unknown.join(', ')} too`
      : isPreferred
        ? undefined
        : 'the repository may have safetensors or other models too'
  return { path: join(cache.snapshot(commit), choice.open), commit, uncertain }
}

async function fromCacheAlone(name: ModelName, settings: HubSettings): Promise<FoundModel> {
  const cached = await inCache(name, settings)
  if (cached) return { path: cached.path, commit: cached.commit }
  const { folder } = new RepoCache(settings.cacheDir, name.repo)
  throw new MtLlamaError(
    'HUB_NOT_FOUND',
    `${repoName(name.repo)}: HF_HUB_OFFLINE is set, and ${folder} does not hold all that a load needs. Unset it, or run \`mt-llama pull\` where there is a network`,
  )
}

/** What is to be loaded, and what of it the snapshot lacks: of shards first the index that names them. */
async function plan(
  chosen: Choice,
  snapshot: string,
  listed: ReadonlyMap<string, HubFile>,
  repo: Repo,
): Promise<{ choice: Choice; missing: HubFile[] }> {
  const lacking = async (choice: Choice) => {
    const missing: HubFile[] = []
    for (const name of choice.files) {
      const file = listed.get(name)
      if (!file)
        throw new MtLlamaError(
          'HUB_NOT_FOUND',
          `${repoName(repo)}: ${chosen.sharded?.index} names ${name}, which the repository does not have`,
        )
      const found = await stat(join(snapshot, name)).catch(() => undefined)
      if (found?.size !== file.size) missing.push(file)
    }
    return { choice, missing }
  }
  if (!chosen.sharded) return lacking(chosen)
  const { index } = chosen.sharded
  const first = await lacking({ files: [index], open: '' })
  if (first.missing.length > 0) return first
  return lacking(withShards(chosen, chosen.sharded, await readFile(join(snapshot, index), 'utf8')))
}

async function fetchMissing(
  client: HubClient,
  cache: RepoCache,
  missing: readonly HubFile[],
  { repo, commit, options }: { repo: Repo; commit: string; options: PullOptions },
): Promise<void> {
  // Files of one content are one blob, and a blob may be there from another commit.
  const blobs = new Map<string, HubFile>()
  for (const file of missing) {
    const found = await stat(cache.blob(file)).catch(() => undefined)
    if (found?.size !== file.size) blobs.set(file.checksum.hex, file)
  }
  const transfers = Array.from(blobs.values(), file => ({ repo, commit, file, target: cache.blob(file) }))
  await transferAll(client, transfers, place, options)
  for (const file of missing) await writing(cache.folder, place, () => cache.link(commit, file))
}

/** A cache that may not be written serves what it has all the same. */
async function record(cache: RepoCache, commit: string, absent: readonly string[]): Promise<void> {
  try {
    await cache.record(commit, absent)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (!['EROFS', 'EACCES', 'EPERM'].includes(code)) throw outputError(cache.folder, place, error)
  }
}
