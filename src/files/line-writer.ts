// Appends lines of JSON to a file as fast as the system takes them: a kill loses only the last few, and tears one at most.
import type { FileHandle } from 'node:fs/promises'
import { createFile, openOwnFile, type Place, writing } from './output.ts'

/** Opens a file to append to; makes it if it is missing. */
export async function openToAppend(file: string): Promise<FileHandle> {
  return (await openOwnFile(file)) ?? createFile(file)
}

export class LineWriter {
  readonly #file: string
  readonly #place: Place
  readonly #open: () => Promise<FileHandle>
  #handle: FileHandle | undefined
  /** Length of the file up to the end of its last whole line. */
  #bytes: number
  #pending: string[] = []
  #pendingLength = 0
  #writing: Promise<void> | undefined
  #failure: unknown

  /**
   * @param to the file, opened for appending; or what opens it before the first line is written
   * @param bytes length of what the file has by then
   */
  constructor(file: string, place: Place, to: FileHandle | (() => Promise<FileHandle>), bytes = 0) {
    this.#file = file
    this.#place = place
    this.#bytes = bytes
    if (typeof to !== 'function') this.#handle = to
    this.#open = typeof to === 'function' ? to : async () => to
  }

  /** Queues a line. After a failure nothing is written any more. */
  add(value: object): void {
    const line = `${JSON.stringify(value)}\n`
    this.#pending.push(line)
    this.#pendingLength += line.length
    this.#writing ??= this.#write()
  }

  /** Number of characters that wait to be written. */
  get waiting(): number {
    return this.#pendingLength
  }

  /** What the first line that could not be written has failed by: an error with the code OUTPUT. */
  get failure(): unknown {
    return this.#failure
  }

  /** Resolves once what was queued is written or has failed. Never rejects. */
  async written(): Promise<void> {
    await this.#writing
  }

  /** Waits until all is on the disk, and closes the file. @throws OUTPUT where a line could not be written */
  async close(): Promise<void> {
    await this.#writing
    const handle = this.#handle
    this.#handle = undefined
    try {
      if (this.#failure) throw this.#failure
      if (handle) await writing(this.#file, this.#place, () => handle.sync())
    } finally {
      await handle?.close()
    }
  }

  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      const lines = Buffer.from(this.#pending.join(''))
      this.#pending = []
      this.#pendingLength = 0
      if (this.#failure) continue
      try {
        await writing(this.#file, this.#place, async () => {
          this.#handle ??= await this.#open()
          await this.#handle.appendFile(lines)
        })
        this.#bytes += lines.length
      } catch (error) {
        this.#failure = error
        await this.#cutTorn(lines).catch(() => {})
      }
    }
    this.#writing = undefined
  }

  /** Cuts the file after its last whole line: a full disk may have taken only a part of what was written. */
  async #cutTorn(lines: Buffer): Promise<void> {
    if (!this.#handle) return
    const written = (await this.#handle.stat()).size - this.#bytes
    if (written > 0) this.#bytes += lines.lastIndexOf(10, written - 1) + 1
    await this.#handle.truncate(this.#bytes)
  }
}
