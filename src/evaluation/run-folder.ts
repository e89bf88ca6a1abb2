// The folder a run writes to: results.json, table.md, samples/TASK.jsonl. Nothing half-written under these names.
import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../checkpoint/files.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'
import type { TaskName } from '../tasks/registry.ts'
import { isRecord } from '../tasks/row.ts'
import type { RunResults, SampleRecord, Settings } from './results.ts'

/** Sample lines held back before they are written, in characters. */
const bufferedCharacters = 1 << 16

export class RunFolder {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /**
   * Makes the folder if it is not there and tries that it can be written.
   * @throws OUTPUT
   */
  static async open(path: string): Promise<RunFolder> {
    const folder = new RunFolder(path)
    await writing(join(path, 'samples'), async () => {
      await makeFolder(join(path, 'samples'))
      const trial = join(path, '.trial')
      await (await open(trial, 'w')).close()
      await rm(trial)
    })
    return folder
  }

  /**
   * The results that are there, to be added to.
   * @throws OUTPUT where they are of other settings, naming what differs
   */
  async earlier(settings: Settings): Promise<RunResults | undefined> {
    const file = join(this.path, 'results.json')
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw failure(file, error)
    })
    if (text === undefined) return undefined
    const way = 'Name another --out folder, or remove this one.'
    const results = parsedResults(text)
    if (!results) throw new MtLlamaError('OUTPUT', `${file}: not results of this program. ${way}`)
    const differences = differing(results.settings, settings)
    if (differences.length > 0) {
      throw new MtLlamaError(
        'OUTPUT',
        message`${this.path} holds results of ${results.model.path} with other settings than this run${differences}. ${way}`,
      )
    }
    return results
  }

  samples(task: TaskName): Promise<SampleFile> {
    return SampleFile.create(join(this.path, 'samples', `${task}.jsonl`))
  }

  /** @param table Markdown */
  async write(results: RunResults, table: string): Promise<void> {
    await replaceFile(join(this.path, 'results.json'), `${JSON.stringify(results, null, 2)}\n`)
    await replaceFile(join(this.path, 'table.md'), table)
  }
}

/** One task's records; the file appears under its name when it is closed. */
export class SampleFile {
  readonly #file: string
  readonly #handle: FileHandle
  #pending = ''

  private constructor(file: string, handle: FileHandle) {
    this.#file = file
    this.#handle = handle
  }

  static create(file: string): Promise<SampleFile> {
    return writing(file, async () => new SampleFile(file, await open(temporary(file), 'w')))
  }

  async add(record: SampleRecord): Promise<void> {
    this.#pending += `${JSON.stringify(record)}\n`
    if (this.#pending.length >= bufferedCharacters) await this.#flush()
  }

  /** Gives the file its name. */
  async close(): Promise<void> {
    await this.#flush()
    await writing(this.#file, async () => {
      await this.#handle.sync()
      await this.#handle.close()
      await rename(temporary(this.#file), this.#file)
    })
  }

  /** Removes what was written. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => undefined)
    await rm(temporary(this.#file), { force: true })
  }

  async #flush(): Promise<void> {
    const text = this.#pending
    this.#pending = ''
    await writing(this.#file, () => this.#handle.appendFile(text))
  }
}

/** Writes beside the file, then renames: a reader sees the old content or the new. */
async function replaceFile(file: string, text: string): Promise<void> {
  await writing(file, async () => {
    try {
      const handle = await open(temporary(file), 'w')
      try {
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary(file), file)
    } catch (error) {
      await rm(temporary(file), { force: true })
      throw error
    }
  })
}

function temporary(file: string): string {
  return `${file}.part`
}

/** Runs an action that writes a file, and words its failure. */
async function writing<T>(file: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    throw failure(file, error as NodeJS.ErrnoException)
  }
}

const reasons: Record<string, string> = {
  ENOSPC:
    'the disk is full. What was finished before is saved; make room, or name an --out folder on another disk',
  EDQUOT: 'the disk quota is used up. Make room, or name an --out folder on another disk',
  EACCES: 'no permission to write there. Name another --out folder',
  EPERM: 'writing there is not permitted. Name another --out folder',
  // Of a folder that takes no others, as /proc.
  ENOENT: 'it cannot be made there; the file system may be read-only. Name another --out folder',
  EROFS: 'the file system is read-only. Name another --out folder',
  ENOTDIR: 'a part of the path is a file, not a folder. Name another --out folder',
  EEXIST: 'a file is in the way of the folder. Name another --out folder',
  EISDIR: 'a folder is in the way of the file. Name another --out folder',
}

function failure(file: string, error: NodeJS.ErrnoException): MtLlamaError {
  const reason = reasons[error.code ?? ''] ?? error.message
  return new MtLlamaError('OUTPUT', `${file}: ${reason}.`, { cause: error })
}

function parsedResults(text: string): RunResults | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (isRecord(value) && isRecord(value.settings) && isRecord(value.model) && isRecord(value.tasks))
      return value as unknown as RunResults
  } catch {
    // Falls through: whatever it is, it is not ours.
  }
  return undefined
}

/** ': this is 1 there and 2 here; that ...', empty where nothing differs. */
function differing(there: Settings, here: Settings): Message {
  const names = new Set([...Object.keys(there), ...Object.keys(here)]) as Set<keyof Settings>
  return [...names]
    .filter(name => there[name] !== here[name])
    .flatMap((name, i) => {
      const [before, after] = [JSON.stringify(there[name]), JSON.stringify(here[name])]
      return message`${i === 0 ? ': ' : '; '}${{ kind: 'option', name }} is ${before} there and ${after} here`
    })
}
