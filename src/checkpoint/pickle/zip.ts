// The directory of a zip archive: where each entry's bytes lie in the file. Entries are stored, never compressed.
import type { FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from 'yauzl'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import { readExactly } from '../files.ts'

/** The largest LLaMA has 1,200 tensors, each an entry; one takes about a kilobyte of memory while it is known. */
const MAX_ENTRIES = 8192

/** A name of torch.save has some 30 bytes; the format allows an entry 65,535 of each of name, fields and comment. */
const MAX_DIRECTORY_BYTES = 4 * 2 ** 20

/** The directory is read in pieces of this size: an entry is some 60 bytes of it. */
const WINDOW_BYTES = 2 ** 18

/** Bytes of the file. */
export interface Place {
  offset: number
  bytes: number
}

export class Zip {
  private readonly zip: ZipFile
  private readonly entries: ReadonlyMap<string, Entry>
  private readonly where: string

  private constructor(zip: ZipFile, entries: ReadonlyMap<string, Entry>, where: string) {
    this.zip = zip
    this.entries = entries
    this.where = where
  }

  /** @throws CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED (too many entries) */
  static async open(handle: FileHandle, size: number, file: string): Promise<Zip> {
    const where = basename(file)
    return checked(where, async () => {
      const reader = new WindowReader(handle, size, file)
      const zip = await fromRandomAccessReaderPromise(reader, size, { autoClose: false })
      if (zip.entryCount > MAX_ENTRIES) {
        throw new MtLlamaError(
          'CHECKPOINT_UNSUPPORTED',
          `${where}: a zip archive of ${zip.entryCount} entries; at most ${MAX_ENTRIES} are read`,
        )
      }
      const entries = new Map<string, Entry>()
      let bytes = 0
      for await (const entry of zip.eachEntry()) {
        bytes += entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength
        if (bytes > MAX_DIRECTORY_BYTES)
          throw new Error(`names and comments of more than ${MAX_DIRECTORY_BYTES} bytes`)
        if (entries.has(entry.fileName)) throw new Error(`the entry ${shown(entry.fileName)} comes twice`)
        entries.set(entry.fileName, entry)
      }
      return new Zip(zip, entries, where)
    })
  }

  names(): string[] {
    return [...this.entries.keys()]
  }

  /** @returns undefined where there is no entry of that name @throws CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED */
  async place(name: string): Promise<Place | undefined> {
    const entry = this.entries.get(name)
    if (entry === undefined) return undefined
    if (entry.compressionMethod !== 0 || entry.isEncrypted()) {
      throw new MtLlamaError(
        'CHECKPOINT_UNSUPPORTED',
        `${this.where}: ${shown(name)} is ${entry.isEncrypted() ? 'encrypted' : 'compressed'}; torch.save stores ` +
          'its entries as they are. Save the model again with torch.save or as safetensors',
      )
    }
    return checked(this.where, async () => {
      const { fileDataStart } = await this.zip.readLocalFileHeaderPromise(entry, { minimal: true })
      return { offset: fileDataStart, bytes: entry.uncompressedSize }
    })
  }
}

/** Runs `body`; what the library throws becomes an error of the file. */
async function checked<T>(where: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    if (error instanceof MtLlamaError) throw error
    throw new MtLlamaError(
      'CHECKPOINT_CORRUPT',
      `${where}: not a valid zip archive (${(error as Error).message.replace(/\.$/, '')}). Is the download complete?`,
      { cause: error },
    )
  }
}

/** Reads ahead: the library asks for each entry by itself, and tens of thousands of small reads take seconds. */
class WindowReader extends RandomAccessReader {
  private readonly handle: FileHandle
  private readonly size: number
  private readonly file: string
  private window: Buffer = Buffer.alloc(0)
  private start = 0

  constructor(handle: FileHandle, size: number, file: string) {
    super()
    this.handle = handle
    this.size = size
    this.file = file
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.load(position, length).then(
      () => {
        const at = position - this.start
        this.window.copy(buffer, offset, at, at + length)
        callback(null)
      },
      error => callback(error),
    )
  }

  private async load(position: number, length: number): Promise<void> {
    if (position + length > this.size) throw new Error(`it points to byte ${position}, past the end`)
    if (position >= this.start && position + length <= this.start + this.window.length) return
    const bytes = Math.min(Math.max(length, WINDOW_BYTES), this.size - position)
    this.window = await readExactly(this.handle, position, bytes, this.file)
    this.start = position
  }
}
