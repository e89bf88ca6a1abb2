// A folder as storage: files are written under names of their own, synced, and renamed.
import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { makeFolder, pathKind } from '../checkpoint/files.ts'
import { notReadable } from '../data/lines.ts'
import { createFile, type Place, partOf, writing } from '../files/output.ts'
import type { ByteRange, Storage } from './storage.ts'

export class FolderStorage implements Storage {
  readonly #folder: string
  readonly #place: Place

  constructor(folder: string, place: Place) {
    this.#folder = folder
    this.#place = place
  }

  where(name: string): string {
    return join(this.#folder, name)
  }

  prepare(): Promise<void> {
    return writing(this.#folder, this.#place, () => makeFolder(this.#folder))
  }

  async list(): Promise<string[]> {
    return (await this.#entries()).filter(name => partName(name) === undefined)
  }

  async begun(): Promise<string[]> {
    return (await this.#entries()).flatMap(name => partName(name) ?? [])
  }

  async size(name: string): Promise<number | undefined> {
    const file = this.where(name)
    const found = await stat(file).catch(error => {
      if (!['ENOENT', 'ENOTDIR'].includes(error.code)) throw notReadable(file, error)
    })
    return found?.isFile() ? found.size : undefined
  }

  async *read(name: string, range?: ByteRange): AsyncGenerator<Buffer> {
    if (range && range.end <= range.start) return
    const part = range && { start: range.start, end: range.end - 1 }
    const file = this.where(name)
    const chunks: AsyncIterable<Buffer> = createReadStream(file, { ...part, highWaterMark: 1 << 20 })
    try {
      yield* chunks
    } catch (error) {
      throw notReadable(file, error)
    }
  }

  async write(name: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const file = this.where(name)
    const part = ownPart(file)
    const worded = <Result>(action: () => Promise<Result>) => writing(file, this.#place, action)
    try {
      const handle = await worded(() => createFile(part))
      try {
        for await (const chunk of chunks) await worded(() => handle.writeFile(chunk))
        await worded(() => handle.sync())
      } finally {
        await handle.close()
      }
      await worded(() => this.#publish(part, file))
    } catch (error) {
      await rm(part, { force: true })
      throw error
    }
  }

  async sweep(isSwept: (name: string) => boolean): Promise<void> {
    for (const entry of await this.#entries()) {
      const name = partName(entry)
      if (name !== undefined && isSwept(name)) await rm(this.where(entry), { force: true })
    }
  }

  async #entries(): Promise<string[]> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      throw notReadable(this.#folder, error)
    })
    return names.sort()
  }

  /** Renames a part that was synced. Where it was swept meanwhile, another process has published the same file. */
  async #publish(part: string, file: string): Promise<void> {
    try {
      await rename(part, file)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || (await pathKind(file)) !== 'file') throw error
    }
    // The name is on the disk once the folder is. File systems that cannot sync a folder keep names by themselves.
    const folder = await open(this.#folder)
    await folder.sync().catch(() => {})
    await folder.close()
  }
}

/** A name to write a file under before it has its own, which no other process uses, on this machine or another. */
function ownPart(file: string): string {
  return `${partOf(file)}-${encodeURIComponent(hostname())}-${process.pid}-${randomBytes(4).toString('hex')}`
}

/** The name of the file that a part was to become; undefined for a file that is whole. */
function partName(name: string): string | undefined {
  return /^(.+)\.part-.*$/.exec(name)?.[1]
}
