// What a repository holds: the commit that a revision stands for, and the files of that commit with sizes and checksums.
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { failed, type HubClient, type Subject } from './client.ts'
import { commitPattern, type Repo } from './repo.ts'

export interface HubFile {
  /** The path in the repository, checked not to lead out of it. */
  path: string
  /** Bytes. */
  size: number
  /** How the hub knows the content: SHA-256 for large files (LFS, Xet), else git's SHA-1 of the blob. */
  checksum: { kind: 'sha256' | 'git'; hex: string }
}

/** No repository of a model or an evaluation set has so many files; beyond it a listing is not read on. */
const maxFiles = 100_000

/** @throws HUB_ACCESS, HUB_NOT_FOUND, HUB_FAILED, ABORTED */
export async function findCommit(client: HubClient, repo: Repo, advice?: string): Promise<string> {
  const subject: Subject = { repo, ...(advice && { advice }) }
  const { value } = await client.json(
    `${apiPath(repo)}/revision/${encodeURIComponent(repo.revision)}`,
    subject,
  )
  const sha = isRecord(value) ? value.sha : undefined
  if (typeof sha === 'string' && commitPattern.test(sha)) return sha
  throw failed(subject, `the hub names ${shown(sha)} as its commit; expected 40 hexadecimal digits`)
}

/**
 * Lists the files of a commit.
 * @param folder whose files are listed, without those of folders in it; undefined lists all
 * @throws HUB_ACCESS, HUB_NOT_FOUND, HUB_FAILED (a listing that contradicts itself, or leads out of the repository)
 */
export async function listFiles(
  client: HubClient,
  repo: Repo,
  commit: string,
  { folder, advice }: { folder?: string; advice?: string } = {},
): Promise<HubFile[]> {
  const subject: Subject = { repo, ...(folder && { path: folder }), ...(advice && { advice }) }
  const below = folder === undefined ? '' : `/${encodePath(folder)}`
  const files: HubFile[] = []
  let page: string | undefined =
    `${apiPath(repo)}/tree/${commit}${below}?recursive=${folder === undefined}&expand=false`
  const seen = new Set<string>()
  while (page !== undefined) {
    if (seen.has(page) || files.length > maxFiles)
      throw failed(subject, `the listing does not end: ${files.length} files so far`)
    seen.add(page)
    const { value, next } = await client.json(page, subject)
    if (!Array.isArray(value))
      throw failed(subject, `the listing is ${shown(value)}; expected a list of files`)
    for (const entry of value) {
      const file = readEntry(entry, subject)
      if (file) files.push(file)
    }
    page = next
  }
  return files
}

/** The path of a file's content below the endpoint. */
export function contentPath(repo: Repo, commit: string, path: string): string {
  return `/${repo.type === 'dataset' ? 'datasets/' : ''}${repo.id}/resolve/${commit}/${encodePath(path)}`
}

function apiPath({ type, id }: Repo): string {
  return `/api/${type}s/${id}`
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}

/** @returns undefined for a folder */
function readEntry(entry: unknown, subject: Subject): HubFile | undefined {
  if (!isRecord(entry)) throw failed(subject, `the listing has ${shown(entry)}; expected an object`)
  const { type, path, oid } = entry
  if (typeof path !== 'string' || leadsOut(path))
    throw failed(
      subject,
      `the listing names ${shown(path)}, which leads out of the repository; nothing is downloaded`,
    )
  if (type !== 'file') return undefined
  const lfs = isRecord(entry.lfs) ? entry.lfs : undefined
  const size = lfs?.size ?? entry.size
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw failed(subject, `the listing gives ${shown(path)} a size of ${shown(size)}; expected bytes`)
  const [kind, hex] = lfs ? (['sha256', lfs.oid] as const) : (['git', oid] as const)
  const digits = kind === 'sha256' ? 64 : 40
  // The checksum becomes a file's name in the cache.
  if (typeof hex !== 'string' || hex.length !== digits || !/^[0-9a-f]+$/.test(hex))
    throw failed(
      subject,
      `the listing gives ${shown(path)} the checksum ${shown(hex)}; expected ${digits} hexadecimal digits`,
    )
  return { path, size, checksum: { kind, hex } }
}

/** Such as '../../x', '/x' and, for Windows, '..\\x' and 'C:x'. */
function leadsOut(path: string): boolean {
  return (
    path.includes('\0') ||
    path.split(/[\\/]/).some(part => part === '' || part === '.' || part === '..') ||
    (process.platform === 'win32' && path.includes(':'))
  )
}
