// Writes files so that they are there whole or not at all, and words what keeps them from being written.
import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm, writeFile } from 'node:fs/promises'
import { MtLlamaError } from '../errors.ts'

/**
 * Makes a new file and opens it. Whatever had its name is removed before, so that a planted link is never written through:
 * O_EXCL follows none.
 */
export async function createFile(file: string): Promise<FileHandle> {
  await rm(file, { force: true })
  return open(file, 'ax')
}

/**
 * Opens a regular file for reading and appending. A link, a pipe and a second name of a file are refused.
 * @returns undefined where there is no such file
 */
export async function openOwnFile(file: string): Promise<FileHandle | undefined> {
  const { O_RDWR, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants
  // Opening a pipe would wait for its other end, but for O_NONBLOCK.
  const handle = await open(file, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK).catch(error => {
    if (error.code !== 'ENOENT') throw error
  })
  if (!handle) return undefined
  const found = await handle.stat()
  if (found.isFile() && found.nlink === 1) return handle
  await handle.close()
  const what = found.isFile() ? 'it has another name elsewhere (a hard link)' : 'it is no regular file'
  throw Object.assign(new Error(`${what}, so nothing is written to it`), { code: 'NOT_OWN' })
}

/** The content of a file that openOwnFile() takes. */
export async function readOwnFile(file: string): Promise<Buffer | undefined> {
  await using handle = await openOwnFile(file)
  return handle?.readFile()
}

/** Writes a file that must not be there; a link is not followed. */
export function writeNewFile(file: string, text: string): Promise<void> {
  return writeFile(file, text, { flag: 'wx' })
}

/** Writes beside the file, then renames: a reader sees the old content or the new. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const part = partOf(file)
  try {
    const handle = await createFile(part)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(part, file)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}

/** The name under which a file is written before it has its own. */
export function partOf(file: string): string {
  return `${file}.part`
}

/** The words of messages for the place that is written to, and for what a full disk leaves of the work. */
export interface Place {
  /** What the place is called, such as '--out folder'. */
  folder: string
  /** What is left after a failure, such as 'What was finished before is saved'. */
  kept: string
}

/** Runs an action that writes a file, and words its failure. @throws OUTPUT */
export async function writing<T>(file: string, place: Place, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    throw outputError(file, place, error)
  }
}

/** Words an error of the system. An error of this package is returned as it is. */
export function outputError(file: string, { folder, kept }: Place, error: unknown): MtLlamaError {
  if (error instanceof MtLlamaError) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  const a = /^\W*[aeiou]/.test(folder) ? 'an' : 'a'
  const another = `Name another ${folder}`
  const reasons: Record<string, string> = {
    ENOSPC: `the disk is full. ${kept}; make room, or name ${a} ${folder} on another disk`,
    EDQUOT: `the disk quota is used up. ${kept}; make room, or name ${a} ${folder} on another disk`,
    EFBIG: `the file would be larger than is allowed there. ${kept}. ${another}`,
    EACCES: `no permission to write there. ${another}`,
    EPERM: `writing there is not permitted. ${another}`,
    // A folder that takes no others, such as /proc, gives this code.
    ENOENT: `it cannot be made there; the file system may be read-only. ${another}`,
    EROFS: `the file system is read-only. ${another}`,
    ENOTDIR: `a part of the path is a file, not a folder. ${another}`,
    EEXIST: `a file is in the way of the folder. ${another}`,
    EISDIR: `a folder is in the way of the file. ${another}`,
    ERR_FS_EISDIR: `a folder is in the way of the file. ${another}`,
    ELOOP: `a link is in the way, and none is followed. Remove it. ${another}`,
    ENAMETOOLONG: `the name is too long for the file system. ${another}`,
  }
  return new MtLlamaError('OUTPUT', `${file}: ${reasons[code] ?? message}.`, { cause: error })
}
