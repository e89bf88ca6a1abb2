// The folders of an evaluation that is run in shards: each is written under a name of its own, and renamed once it is complete.
import { randomBytes } from 'node:crypto'
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { makeFolder, pathKind } from '../checkpoint/files.ts'
import { MtLlamaError, message } from '../errors.ts'
import { outFolder } from '../evaluation/journal.ts'
import type { RunResults, Settings, WholeRun } from '../evaluation/results.ts'
import { checkSameRun, RunFolder, savedResults } from '../evaluation/run-folder.ts'
import { partOf, writing } from '../files/output.ts'
import { namedShard, type Shard, shardBounds, shardName } from '../files/shard.ts'

/** Those of a run that another machine may have run, with other instructions. */
export type KnownSettings = Omit<Settings, 'backend' | 'addBos'>

/** A shard of an evaluation in the folder of all its shards. */
export class ShardRun {
  readonly #folder: string
  readonly #shard: Shard
  /** Where the shard is once it is complete. */
  readonly path: string

  constructor(folder: string, shard: Shard) {
    this.#folder = folder
    this.#shard = shard
    this.path = join(folder, shardName(shard))
  }

  /**
   * Whether the shard is complete.
   * @throws OUTPUT where it is of other settings, tasks or data
   */
  async isDone(known: KnownSettings, whole: WholeRun): Promise<boolean> {
    if (!(await this.#isThere())) return false
    const results = await savedResults(this.path)
    if (!results)
      throw new MtLlamaError('OUTPUT', `${this.path}: holds no results. Remove it, and run the shard again.`)
    const { backend, addBos } = results.settings
    checkSameRun(this.path, results, { ...known, backend, addBos }, new Set(Object.keys(whole.samples)))
    if (isDeepStrictEqual(results.whole, whole)) return true
    throw new MtLlamaError(
      'OUTPUT',
      message`${this.path} is of other tasks or data than this run. Name another ${{ kind: 'option', name: 'out' }} folder.`,
    )
  }

  /**
   * Whether the shards of this run were joined meanwhile, by which what a process has begun is removed: it fails then,
   * though there is nothing left to do.
   */
  async isJoined(begun: RunFolder, known: KnownSettings, whole: WholeRun): Promise<boolean> {
    if ((await pathKind(begun.path)) !== 'missing') return false
    try {
      return await this.isDone(known, whole)
    } catch {
      // What the process has failed by is to be told.
      return false
    }
  }

  /**
   * Opens a folder to run the shard in: one that an earlier process has left, if it is nobody's, so that the run goes on
   * with it.
   * @returns undefined where the shard is complete
   * @throws OUTPUT
   */
  async open(): Promise<RunFolder | undefined> {
    await writing(this.#folder, outFolder, () => makeFolder(this.#folder))
    await this.#checkCount()
    if (await this.#isThere()) return undefined
    const begun = `${partOf(shardName(this.#shard))}-`
    for (const name of (await readdir(this.#folder)).filter(name => name.startsWith(begun)))
      try {
        const left = await RunFolder.open(join(this.#folder, name))
        if (await left.results()) return left
        await left.close()
      } catch (error) {
        // A process runs in it, or one of another machine does or did: whether it has ended cannot be seen from here.
        if (!(error instanceof MtLlamaError)) throw error
      }
    return RunFolder.open(join(this.#folder, `${begun}${randomBytes(4).toString('hex')}`))
  }

  /**
   * Gives the folder its name if all of the shard is done; else it stays as it is, to be gone on with.
   * @returns whether the shard is complete
   * @throws OUTPUT
   */
  async publish(run: RunFolder, { tasks }: RunResults, { samples }: WholeRun): Promise<boolean> {
    await run.close()
    for (const [name, count] of Object.entries(samples)) {
      const [start, end] = shardBounds(count, this.#shard)
      if (start < end && tasks[name]?.status !== 'complete') return false
    }
    await writing(this.path, outFolder, async () => {
      try {
        await rename(run.path, this.path)
      } catch (error) {
        if (!(await this.#isThere())) throw error
        // Another process has run the same shard meanwhile, to the same figures.
        await rm(run.path, { recursive: true, force: true })
      }
    })
    return true
  }

  async #isThere(): Promise<boolean> {
    return (await pathKind(this.path)) === 'folder'
  }

  async #checkCount(): Promise<void> {
    const { count } = this.#shard
    const other = (await runShards(this.#folder)).find(({ shard }) => shard.count !== count)
    if (!other) return
    throw new MtLlamaError(
      'OUTPUT',
      message`${this.#folder} holds shards of ${other.shard.count}, and this run is of ${count}. Name another ${{ kind: 'option', name: 'out' }} folder.`,
    )
  }
}

/** The folders of shards that a folder holds, and those that were begun. */
export async function runShards(folder: string): Promise<{ shard: Shard; path: string; isPart: boolean }[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries.flatMap(entry => {
    const named = entry.isDirectory() ? namedShard(entry.name) : undefined
    return named ? [{ shard: named.shard, path: join(folder, entry.name), isPart: named.rest !== '' }] : []
  })
}
