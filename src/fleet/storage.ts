// Where inputs and shards lie: a folder, or what S3's interface gives. A file appears whole or not at all, so that one that is
// there is done.
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import type { Place } from '../files/output.ts'
import { FolderStorage } from './folder-storage.ts'
import { openS3, s3Parts } from './s3-storage.ts'

/** Files of one folder, by their names in it. */
export interface Storage {
  /** How messages name a file. */
  where(name: string): string
  /** Makes ready to be written to. @throws OUTPUT */
  prepare(): Promise<void>
  /** Names of the files that are there whole. @throws DATA_NOT_FOUND where that cannot be seen */
  list(): Promise<string[]>
  /** Names of files that processes write, or wrote as they were killed. */
  begun(): Promise<string[]>
  /** Bytes of a file; undefined where there is none, or none that can be read in parts. @throws DATA_NOT_FOUND */
  size(name: string): Promise<number | undefined>
  /**
   * The bytes from `start` up to `end`, or all.
   * @throws DATA_NOT_FOUND; DATA_INVALID where the storage knows that the file has changed meanwhile
   */
  read(name: string, range?: ByteRange): AsyncIterable<Uint8Array>
  /**
   * Writes a file that appears once all of it is kept, in the place of one that is there. After an error nothing of it is left.
   * Several processes may write a file at once: the last one counts. Where what this one wrote was swept meanwhile and there is
   * such a file, another process has written it.
   * @throws OUTPUT, what the chunks throw
   */
  write(name: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>
  /** Removes what killed processes have left of files that `isSwept` takes. */
  sweep(isSwept: (name: string) => boolean): Promise<void>
}

export interface ByteRange {
  start: number
  end: number
}

/** A file, and how it was named by who asked for it. */
export interface StoredFile {
  storage: Storage
  name: string
  path: string
}

/** @param path a folder, or s3://BUCKET/PREFIX @throws STORAGE where S3's package is missing */
export async function openStorage(path: string, place: Place): Promise<Storage> {
  const s3 = s3Parts(path)
  return s3 ? openS3({ ...s3, place }) : new FolderStorage(path, place)
}

/** @param path a file, or s3://BUCKET/KEY @throws STORAGE where S3's package is missing */
export async function storedFile(path: string, place: Place): Promise<StoredFile> {
  const s3 = s3Parts(path)
  if (!s3) return { storage: new FolderStorage(dirname(path), place), name: basename(path), path }
  const slash = s3.prefix.lastIndexOf('/') + 1
  const prefix = s3.prefix.slice(0, slash)
  return { storage: await openS3({ ...s3, prefix, place }), name: s3.prefix.slice(slash), path }
}

/** Whether a path is one in S3. */
export function isRemote(path: string): boolean {
  return s3Parts(path) !== undefined
}

/** The path of a file of a folder, which may be in S3. */
export function pathIn(folder: string, name: string): string {
  return isRemote(folder) ? `${folder.replace(/\/+$/, '')}/${name}` : join(folder, name)
}

/** What a path means that is relative to a folder; one in S3, or beside a folder there, is whole. */
export function resolvedIn(folder: string, path: string): string {
  return isRemote(path) || isAbsolute(path) ? path : resolve(folder, path)
}

export async function readText({
  storage,
  name,
}: Pick<StoredFile, 'storage' | 'name'>): Promise<string | undefined> {
  if ((await storage.size(name)) === undefined) return undefined
  const chunks: Uint8Array[] = []
  for await (const chunk of storage.read(name)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
