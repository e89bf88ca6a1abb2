// Downloads evaluation sets into a data folder, as docs/data.md lays it out.
import { readFile, rm } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { isRecord, parsedRecord } from '../data/record.ts'
import { MtLlamaError } from '../errors.ts'
import { outputError, type Place, replaceFile, writing } from '../files/output.ts'
import { HubClient } from './client.ts'
import type { DataSet } from './data-sets.ts'
import { hasContent } from './download.ts'
import { findCommit, type HubFile, listFiles } from './listing.ts'
import { lockPull, type PullOptions } from './pull.ts'
import { type Repo, repoName } from './repo.ts'
import type { HubSettings } from './settings.ts'
import { type Transfer, transferAll } from './transfer.ts'

export interface PulledSet {
  set: DataSet
  repo: Repo
  commit: string
  /** The files in the data folder, in the order of the rows, with their bytes. */
  files: { path: string; bytes: number }[]
  /** Bytes that were downloaded; 0 where all was there. */
  downloaded: number
}

/** Where the hub keeps tables that it has converted to Parquet itself: CONFIG/SPLIT/0000.parquet and so on. */
const converted = 'refs/convert/parquet'

const place: Place = { folder: '--data-dir folder', kept: 'What was downloaded is kept' }

/** What was downloaded into a folder: stem -> where from. It lets a later download remove shards that are no more. */
const recordName = 'pulled.json'

/**
 * Downloads the sets as far as the folder does not have them, checksums compared. All are looked up before any is downloaded.
 * @throws HUB_NOT_FOUND, HUB_ACCESS, HUB_FAILED, OUTPUT, ABORTED
 */
export async function pullDataSets(
  sets: readonly DataSet[],
  dataDir: string,
  settings: HubSettings,
  options: PullOptions = {},
): Promise<PulledSet[]> {
  if (settings.offline)
    throw new MtLlamaError(
      'HUB_NOT_FOUND',
      'HF_HUB_OFFLINE is set, and data sets come from the hub alone. Unset it',
    )
  const client = new HubClient(settings, options)
  const commits = new Map<string, Promise<string>>()
  const located: Located[] = []
  for (const set of sets) located.push(await locate(client, set, dataDir, commits))

  const lock = await lockPull(join(dataDir, 'pull'), dataDir, place, options)
  try {
    const pulled: PulledSet[] = []
    const transfers: Transfer[] = []
    for (const { set, repo, commit, files } of located) {
      const lacking: Transfer[] = []
      for (const { file, target } of files) {
        const isThere = await writing(target, place, () => hasContent(target, file, options.signal))
        if (!isThere) lacking.push({ repo, commit, file, target })
      }
      transfers.push(...lacking)
      const downloaded = lacking.reduce((sum, { file }) => sum + file.size, 0)
      const paths = files.map(({ file, target }) => ({ path: target, bytes: file.size }))
      pulled.push({ set, repo, commit, files: paths, downloaded })
    }
    await transferAll(client, transfers, place, options)
    for (const one of located) await record(one, dataDir)
    return pulled
  } finally {
    await lock.release()
  }
}

interface Located {
  set: DataSet
  repo: Repo
  commit: string
  files: { file: HubFile; target: string }[]
}

/** Finds a set's files: where its owner has put them as Parquet, else where the hub has converted them. */
async function locate(
  client: HubClient,
  set: DataSet,
  dataDir: string,
  commits: Map<string, Promise<string>>,
): Promise<Located> {
  const { config, split } = set.table ?? {}
  const wanted = set.file ?? `${config}/${split}-*.parquet, or ${config}/${split}/*.parquet at ${converted}`
  const folder = join(dataDir, set.folder)
  const advice = `The set ${set.name} needs ${wanted}. If it has moved, look for it at ${client.settings.endpoint}/datasets and put its files into ${folder} yourself (docs/data.md)`
  const commitOf = (repo: Repo) => {
    const key = `${repo.id} ${repo.revision}`
    const commit = commits.get(key) ?? findCommit(client, repo, advice)
    commits.set(key, commit)
    return commit
  }
  const listed = (repo: Repo, commit: string, folder: string) =>
    listFiles(client, repo, commit, { folder, advice }).catch(noneIfNotFound)
  const target = (end: string) => join(folder, `${set.stem}${end}`)

  const main: Repo = { type: 'dataset', id: set.repo, revision: 'main' }
  const commit = await commitOf(main)
  if (set.file !== undefined) {
    const files = await listed(main, commit, posix.dirname(set.file))
    const file = files.find(({ path }) => path === set.file)
    if (file) return { set, repo: main, commit, files: [{ file, target: target(posix.extname(set.file)) }] }
  } else {
    const layouts = [
      {
        repo: main,
        folder: `${config}`,
        name: new RegExp(`^${literal(split!)}-(\\d{5})-of-(\\d{5})(-[0-9a-f]+)?\\.parquet$`),
      },
      { repo: { ...main, revision: converted }, folder: `${config}/${split}`, name: /^(\d{4})\.parquet$/ },
    ]
    for (const { repo, folder, name } of layouts) {
      const commit = await commitOf(repo).catch(error => {
        if (repo === main) throw error
        noneIfNotFound(error)
      })
      if (commit === undefined) continue
      const files = await listed(repo, commit, folder)
      const shards = files.filter(({ path }) => name.test(posix.basename(path))).sort(byPath)
      if (shards.length === 0) continue
      checkShards(shards, name, repo, folder)
      const five = (n: number) => String(n).padStart(5, '0')
      const end = (i: number) => `-${five(i)}-of-${five(shards.length)}.parquet`
      return { set, repo, commit, files: shards.map((file, i) => ({ file, target: target(end(i)) })) }
    }
  }
  throw new MtLlamaError('HUB_NOT_FOUND', `${repoName(main)}: it has no such file. ${advice}`)
}

function noneIfNotFound(error: unknown): [] {
  if (error instanceof MtLlamaError && error.code === 'HUB_NOT_FOUND') return []
  throw error
}

/** Rows that are not there would change scores in silence. */
function checkShards(shards: readonly HubFile[], name: RegExp, repo: Repo, folder: string): void {
  const numbers = shards.map(({ path }) => name.exec(posix.basename(path))!)
  const count = Number(numbers[0]![2] ?? shards.length)
  if (shards.length === count && numbers.every((found, i) => Number(found[1]) === i)) return
  const names = shards.map(({ path }) => posix.basename(path)).join(', ')
  throw new MtLlamaError(
    'HUB_NOT_FOUND',
    `${repoName(repo)}, ${folder}: it has ${names}, which are not all the shards of one table`,
  )
}

function byPath(a: HubFile, b: HubFile): number {
  return a.path < b.path ? -1 : 1
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** Writes down where the set's files come from, and removes those of an earlier download that are no part of it. */
async function record({ set, repo, commit, files }: Located, dataDir: string): Promise<void> {
  const folder = join(dataDir, set.folder)
  const file = join(folder, recordName)
  try {
    const known = parsedRecord(await readFile(file, 'utf8').catch(() => '{}')) ?? {}
    const names = files.map(({ target }) => target.slice(folder.length + 1))
    const before = isRecord(known[set.stem]) ? (known[set.stem] as { files?: unknown }).files : undefined
    for (const name of isRecord(before) ? Object.keys(before) : [])
      if (isShard(name, set.stem) && !names.includes(name)) await rm(join(folder, name), { force: true })
    known[set.stem] = {
      ...{ repo: repo.id, revision: repo.revision, commit },
      files: Object.fromEntries(
        files.map(({ file: { path, size, checksum } }, i) => [
          names[i],
          { path, size, [checksum.kind]: checksum.hex },
        ]),
      ),
    }
    const sorted = Object.fromEntries(Object.entries(known).sort(([a], [b]) => (a < b ? -1 : 1)))
    const text = `${JSON.stringify(sorted, null, 2)}\n`
    if (text !== (await readFile(file, 'utf8').catch(() => ''))) await replaceFile(file, text)
  } catch (error) {
    throw outputError(file, place, error)
  }
}

/** A record may have been edited: only what this program names so is ever removed. */
function isShard(name: string, stem: string): boolean {
  return name.startsWith(stem) && /^-\d{5}-of-\d{5}\.parquet$/.test(name.slice(stem.length))
}
