// Looking at files before opening them: kind, size, and exact reads.
import { type FileHandle, mkdir, open, readdir, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { MtLlamaError } from '../errors.ts'

/** What a path leads to; a link is followed, as in the cache of the Hugging Face hub. */
export async function pathKind(path: string): Promise<'file' | 'folder' | 'missing' | 'other'> {
  try {
    const found = await stat(path)
    return found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other'
  } catch (error) {
    if (isMissing(error)) return 'missing'
    throw notReadable(path, error)
  }
}

/** Bytes of a regular file. A pipe or a device is refused before it is opened: that alone could block for ever. */
export async function fileSize(file: string): Promise<number> {
  let what = 'not a regular file'
  try {
    const found = await stat(file)
    if (found.isFile()) return found.size
    if (found.isDirectory()) what = 'a folder; expected a file'
  } catch (error) {
    if (isMissing(error)) throw new MtLlamaError('CHECKPOINT_NOT_FOUND', `${file}: no such file`)
    throw notReadable(file, error)
  }
  throw new MtLlamaError('CHECKPOINT_CORRUPT', `${file}: ${what}`)
}

/** Opens a file that is there. @throws FILE_READ where that is not permitted, say */
export function openFile(file: string): Promise<FileHandle> {
  return open(file).catch(error => {
    throw notReadable(file, error)
  })
}

/** Names in a folder that is there. @throws FILE_READ */
export function folderEntries(folder: string): Promise<string[]> {
  return readdir(folder).catch(error => {
    throw notReadable(folder, error)
  })
}

/**
 * Makes a folder and those above it that are missing; one that is there is fine. Node's own recursive mkdir does not
 * end where the folder above is there but takes none, as /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  const failure = await madeFolder(path)
  if (!failure) return
  if (failure.code !== 'ENOENT') throw failure
  if ((await pathKind(dirname(path))) === 'missing') await makeFolder(dirname(path))
  // Once more where the folder above is there: another process may have made it meanwhile.
  const again = await madeFolder(path)
  if (again) throw again
}

/** @returns why there is no such folder now */
async function madeFolder(path: string): Promise<NodeJS.ErrnoException | undefined> {
  return mkdir(path).then(
    () => undefined,
    async error => (error.code === 'EEXIST' && (await pathKind(path)) === 'folder' ? undefined : error),
  )
}

/** Reads exactly `length` bytes at `position`; the caller has held `length` against the file's size. */
export async function readExactly(
  handle: FileHandle,
  position: number,
  length: number,
  file: string,
): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done)
    if (bytesRead === 0) {
      throw new MtLlamaError('CHECKPOINT_CORRUPT', `${basename(file)}: shrank while it was read`)
    }
    done += bytesRead
  }
  return buffer
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function notReadable(path: string, error: unknown): MtLlamaError {
  return new MtLlamaError('FILE_READ', `${path}: cannot be read (${(error as Error).message})`, {
    cause: error,
  })
}
