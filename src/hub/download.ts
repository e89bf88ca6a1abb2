// Downloads one file of the hub: into FILE.part, from where an earlier attempt has stopped, and to FILE once its checksum
// is right. @huggingface/hub 2.17 has downloadFile() and snapshotDownload(), but they begin anew after whatever breaks, ask
// once, compare no checksum, hear no signal, tell no progress and let two processes write one file.
import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { createFile, openOwnFile, outputError, type Place, partOf } from '../files/output.ts'
import { type Answer, aborted, failed, type HubClient, passing, type Subject } from './client.ts'
import { contentPath, type HubFile } from './listing.ts'
import type { Repo } from './repo.ts'

export interface DownloadOptions {
  repo: Repo
  commit: string
  /** The words for errors of the disk. */
  place: Place
  signal?: AbortSignal | undefined
  /** Called with how many bytes of the file are there, counting what earlier attempts have left; it may fall back to 0. */
  onProgress?: (bytes: number) => void
}

/**
 * Downloads a file to `target`, whose folder is there; whatever has that name is replaced.
 * @throws HUB_ACCESS, HUB_NOT_FOUND, HUB_FAILED, OUTPUT, ABORTED; what has come stays in TARGET.part
 */
export async function downloadFile(
  client: HubClient,
  file: HubFile,
  target: string,
  options: DownloadOptions,
): Promise<void> {
  const part = partOf(target)
  try {
    await using handle = (await openOwnFile(part)) ?? (await createFile(part))
    const download = new Download(client, file, handle, options)
    const kept = await download.takeUp()
    // The rest of another file, or of a spoilt one, may have been gone on with.
    const isRight = (await download.finish()) || (kept > 0 && (await download.again()))
    if (!isRight) {
      await rm(part, { force: true })
      throw download.wrong()
    }
    await handle.sync()
    await rename(part, target)
  } catch (error) {
    throw outputError(part, options.place, error)
  }
}

/** Whether a file's content is what the listing says. @throws errors of the system */
export async function hasContent(path: string, file: HubFile, signal?: AbortSignal): Promise<boolean> {
  // A pipe would be waited for, but for O_NONBLOCK.
  const opened = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(error => {
    if (error.code !== 'ENOENT') throw error
  })
  if (!opened) return false
  await using handle = opened
  const found = await handle.stat()
  if (!found.isFile() || found.size !== file.size) return false
  const hash = newHash(file)
  await hashBytes(handle, file.size, hash, signal)
  return hash.digest('hex') === file.checksum.hex
}

class Download {
  readonly #client: HubClient
  readonly #file: HubFile
  readonly #handle: FileHandle
  readonly #options: DownloadOptions
  readonly #subject: Subject
  #bytes = 0
  #furthest = 0
  #hash: Hash

  constructor(client: HubClient, file: HubFile, handle: FileHandle, options: DownloadOptions) {
    this.#client = client
    this.#file = file
    this.#handle = handle
    this.#options = options
    this.#subject = { repo: options.repo, path: file.path }
    this.#hash = newHash(file)
  }

  /** Takes up what an earlier attempt has left. @returns its bytes */
  async takeUp(): Promise<number> {
    const { size } = await this.#handle.stat()
    if (size > this.#file.size) await this.#restart()
    else {
      await hashBytes(this.#handle, size, this.#hash, this.#options.signal)
      this.#advance(size)
    }
    return this.#bytes
  }

  /** Downloads what is missing. @returns whether the checksum is right */
  async finish(): Promise<boolean> {
    const { repo, commit } = this.#options
    if (this.#bytes < this.#file.size)
      await this.#client.request(
        contentPath(repo, commit, this.#file.path),
        this.#subject,
        // Without 'identity' the server may compress, and the bytes of a Range be those of the compressed file.
        () => ({
          'accept-encoding': 'identity',
          ...(this.#bytes > 0 && { range: `bytes=${this.#bytes}-` }),
        }),
        (answer, advanced) => this.#take(answer, advanced),
        this.#options.signal,
      )
    return this.#hash.digest('hex') === this.#file.checksum.hex
  }

  async again(): Promise<boolean> {
    await this.#restart()
    return this.finish()
  }

  wrong(): Error {
    const { kind, hex } = this.#file.checksum
    return failed(
      this.#subject,
      `its ${this.#file.size} bytes do not have the ${kind === 'git' ? "git blob's SHA-1" : 'SHA-256'} ${hex} that the hub lists. They were thrown away; run the same command again, without a proxy that changes files`,
    )
  }

  async #take(answer: Answer, advanced: () => void): Promise<void> {
    const { size } = this.#file
    await this.#align(answer)
    for await (const chunk of answer.chunks()) {
      if (this.#bytes + chunk.length > size)
        throw failed(this.#subject, `the hub sends more than the ${size} bytes that it lists`)
      await writeAll(this.#handle, chunk)
      this.#hash.update(chunk)
      this.#advance(this.#bytes + chunk.length)
      // A server that knows no Range begins at 0 each time: what it sends again is no progress.
      if (this.#bytes > this.#furthest) advanced()
      this.#furthest = Math.max(this.#furthest, this.#bytes)
    }
    if (this.#bytes < size) throw passing(`the connection ended after ${this.#bytes} of ${size} bytes`)
  }

  /** Finds out where in the file the answer's bytes begin. */
  async #align({ status, headers }: Answer): Promise<void> {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '')
    if (status === 206 && Number(range?.[1]) !== this.#bytes) {
      const asked = this.#bytes
      await this.#restart()
      throw passing(
        `bytes from ${asked} on were asked for, the answer is for ${headers.get('content-range') ?? 'no range'}`,
      )
    }
    if (status !== 206) await this.#restart()
    const length = headers.get('content-encoding') ? null : headers.get('content-length')
    const total = status === 206 ? range?.[2] : length
    if (total && /^\d+$/.test(total) && Number(total) !== this.#file.size)
      throw failed(this.#subject, `the hub sends ${total} bytes, where its listing has ${this.#file.size}`)
  }

  async #restart(): Promise<void> {
    await this.#handle.truncate(0)
    this.#hash = newHash(this.#file)
    this.#advance(0)
  }

  #advance(bytes: number): void {
    this.#bytes = bytes
    this.#options.onProgress?.(bytes)
  }
}

/** git's name of a blob is the SHA-1 of a header and the content. */
function newHash({ checksum, size }: HubFile): Hash {
  return checksum.kind === 'git' ? createHash('sha1').update(`blob ${size}\0`) : createHash('sha256')
}

/** Read at a time when a file is hashed. */
const hashStep = 4 * 2 ** 20

/** Hashes the first `size` bytes of a file. */
async function hashBytes(handle: FileHandle, size: number, hash: Hash, signal?: AbortSignal): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(hashStep, size))
  for (let at = 0; at < size; ) {
    if (signal?.aborted) throw aborted()
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - at), at)
    if (bytesRead === 0) return
    hash.update(buffer.subarray(0, bytesRead))
    at += bytesRead
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done)
    done += bytesWritten
  }
}
