// Scores of earlier runs on disk: of a sequence of ids by one model in one number format on one kind of processor, which
// gives the same bits again. Every process appends to a file of its own, so that several may share a folder.
import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../checkpoint/files.ts'
import { parsedRecord } from '../data/record.ts'
import { LineWriter, openToAppend } from '../files/line-writer.ts'
import { type Place, writing } from '../files/output.ts'
import type { Sequence } from './sequence.ts'

/** What is kept of a scored sequence. */
export interface KnownScores {
  /** One for each scored token, all of them finite. */
  logProbs: Float32Array
  isGreedy: boolean
}

export const cacheFolder: Place = { folder: 'score cache', kept: 'The scores themselves are not lost' }

/** Made by Model.openScoreCache(), for ScoreOptions.cache of the same model. */
export class ScoreCache {
  /** Number of sequences whose scores were taken from the cache. */
  hits = 0
  /** Number of sequences that were looked for in vain. */
  misses = 0
  readonly #known: Map<string, KnownScores>
  readonly #lines: LineWriter
  /** The keys of sequences that were looked for in vain: what is scored then is not hashed again. */
  readonly #missed = new WeakMap<Sequence, string>()

  private constructor(known: Map<string, KnownScores>, file: string) {
    this.#known = known
    this.#lines = new LineWriter(file, cacheFolder, () => openToAppend(file))
  }

  /**
   * @internal
   * @param key all that decides a score beside the ids: other keys never see each other's scores
   * @throws OUTPUT
   */
  static async open(folder: string, key: string): Promise<ScoreCache> {
    const own = join(folder, createHash('sha256').update(key).digest('hex').slice(0, 32))
    return writing(own, cacheFolder, async () => {
      await makeFolder(own)
      const known = new Map<string, KnownScores>()
      for (const name of await readdir(own))
        if (name.endsWith('.jsonl')) readScores(await readFile(join(own, name), 'utf8'), known)
      return new ScoreCache(known, join(own, `${randomUUID()}.jsonl`))
    })
  }

  /**
   * The scores of a sequence, where they are known.
   * @internal
   */
  find(sequence: Sequence): KnownScores | undefined {
    const key = keyOf(sequence)
    const found = this.#known.get(key)
    if (found) this.hits++
    else {
      this.misses++
      this.#missed.set(sequence, key)
    }
    return found
  }

  /**
   * Keeps scores, unless one is NaN or infinite. What cannot be written is told by close().
   * @internal
   */
  add(sequence: Sequence, { logProbs, isGreedy }: KnownScores): void {
    const key = this.#missed.get(sequence) ?? keyOf(sequence)
    if (this.#known.has(key) || !logProbs.every(Number.isFinite)) return
    this.#known.set(key, { logProbs: logProbs.slice(), isGreedy })
    this.#lines.add({ key, logProbs: Array.from(logProbs), isGreedy })
  }

  /** Writes what is not on the disk yet. @throws OUTPUT where something could not be written */
  async close(): Promise<void> {
    await this.#lines.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function keyOf({ ids, first }: Sequence): string {
  const bytes = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength)
  return createHash('sha256').update(`${first}:`).update(bytes).digest('base64').slice(0, 24)
}

/** Adds the scores of a file's whole lines; a line that a kill has cut is no JSON, and left out. */
function readScores(text: string, known: Map<string, KnownScores>): void {
  for (const line of text.split('\n')) {
    const { key, logProbs, isGreedy } = parsedRecord(line) ?? {}
    if (typeof key !== 'string' || !Array.isArray(logProbs) || typeof isGreedy !== 'boolean') continue
    if (logProbs.every(Number.isFinite)) known.set(key, { logProbs: Float32Array.from(logProbs), isGreedy })
  }
}
