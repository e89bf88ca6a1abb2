// The hub's cache on disk as huggingface_hub lays it out, so that either finds what the other has downloaded:
//   models--ORG--NAME/blobs/CHECKSUM               contents
//   models--ORG--NAME/snapshots/COMMIT/PATH        links to them: ../../blobs/CHECKSUM
//   models--ORG--NAME/refs/REVISION                the commit that a branch or tag stood for
//   models--ORG--NAME/.no_exist/COMMIT/PATH        empty: the commit has no such file
//   models--ORG--NAME/trees/COMMIT.json            every file of the commit; read alone
import { copyFile, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { makeFolder } from '../checkpoint/files.ts'
import { isRecord } from '../data/record.ts'
import { replaceFile } from '../files/output.ts'
import type { HubFile } from './listing.ts'
import { commitPattern, type Repo } from './repo.ts'

export class RepoCache {
  /** The repository's folder. */
  readonly folder: string
  readonly #repo: Repo
  /** Where processes that write announce themselves. */
  readonly lockPath: string

  constructor(cacheDir: string, repo: Repo) {
    const name = [`${repo.type}s`, ...repo.id.split('/')].join('--')
    this.folder = join(cacheDir, name)
    this.lockPath = join(cacheDir, '.locks', name, 'mt-llama')
    this.#repo = repo
  }

  /** The commit that the revision is known to stand for; undefined where nothing of it was downloaded. */
  async commit(): Promise<string | undefined> {
    const { revision } = this.#repo
    if (commitPattern.test(revision)) return revision
    const text = await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => '')
    return commitPattern.test(text.trim()) ? text.trim() : undefined
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit)
  }

  blob({ checksum }: HubFile): string {
    return join(this.folder, 'blobs', checksum.hex)
  }

  /** The files of a commit that are there whole, as paths with '/'. */
  async files(commit: string): Promise<string[]> {
    return filesBelow(this.snapshot(commit))
  }

  /** Of the names, those of files that a commit is known not to have. */
  async absentAmong(names: readonly string[], commit: string): Promise<string[]> {
    const recorded = await filesBelow(join(this.folder, '.no_exist', commit))
    const tree = await this.#tree(commit)
    return names.filter(name => recorded.includes(name) || (tree && !(name in tree)))
  }

  /** The listing that `hf download` keeps, by path; undefined where there is none that is understood. */
  async #tree(commit: string): Promise<Record<string, unknown> | undefined> {
    try {
      const text = await readFile(join(this.folder, 'trees', `${commit}.json`), 'utf8')
      const { format_version, files } = JSON.parse(text)
      return format_version === 1 && isRecord(files) ? files : undefined
    } catch {
      return undefined
    }
  }

  /** Puts a content into the snapshot of a commit. */
  async link(commit: string, file: HubFile): Promise<void> {
    const name = join(this.snapshot(commit), ...file.path.split('/'))
    await makeFolder(dirname(name))
    const up = '../'.repeat(file.path.split('/').length + 1)
    const part = `${name}.part`
    await rm(part, { force: true })
    // Where links may not be made (Windows without the right to), there is a second copy, as with huggingface_hub.
    await symlink(posix.join(up, 'blobs', file.checksum.hex), part).catch(error => {
      if (error.code !== 'EPERM') throw error
      return copyFile(this.blob(file), part)
    })
    await rename(part, name)
  }

  /** Notes what the revision stands for, and which of the files asked for the commit does not have. */
  async record(commit: string, absent: readonly string[]): Promise<void> {
    for (const path of absent) {
      const file = join(this.folder, '.no_exist', commit, ...path.split('/'))
      await makeFolder(dirname(file))
      await writeFile(file, '')
    }
    const { revision } = this.#repo
    if (revision === commit) return
    const ref = join(this.folder, 'refs', ...revision.split('/'))
    await makeFolder(dirname(ref))
    await replaceFile(ref, commit)
  }
}

/** A link to nothing, as a cleaned-up cache has, is no file. */
async function filesBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  const files: string[] = []
  for (const name of names) {
    const found = await stat(join(folder, name)).catch(() => undefined)
    if (found?.isFile()) files.push(name.replaceAll('\\', '/'))
  }
  return files.sort()
}
