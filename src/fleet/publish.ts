// Gives a file that several processes may write at once its name, once all of it is on the disk.
import { randomBytes } from 'node:crypto'
import { open, readdir, rename, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { pathKind } from '../checkpoint/files.ts'
import { partOf } from '../files/output.ts'

/** A name to write a file under before it has its own, which no other process uses, on this machine or another. */
export function ownPart(file: string): string {
  return `${partOf(file)}-${encodeURIComponent(hostname())}-${process.pid}-${randomBytes(4).toString('hex')}`
}

/** Renames a part that was synced. Where it was swept meanwhile, another process has published the same file. */
export async function publish(part: string, file: string): Promise<void> {
  try {
    await rename(part, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || (await pathKind(file)) !== 'file') throw error
  }
  // The name is on the disk once the folder is. File systems that cannot sync a folder keep names by themselves.
  const folder = await open(dirname(file))
  await folder.sync().catch(() => {})
  await folder.close()
}

/** Removes what processes have left that were killed while they wrote the file, which has its name now. */
export async function sweepPartsOf(file: string): Promise<void> {
  const begin = `${partOf(basename(file))}-`
  for (const name of await readdir(dirname(file)))
    if (name.startsWith(begin)) await rm(join(dirname(file), name), { force: true })
}
