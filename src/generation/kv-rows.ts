// Rows of keys and values for texts: a native session that grows as those that run need it. The rows of texts that have
// ended may stay for others that begin alike, as the next turn of a conversation does, until their room is needed.

import { commonLength } from '../calls/common-length.ts'
import { RowPool } from '../calls/row-pool.ts'
import type { MtLlamaError } from '../errors.ts'
import { isOutOfMemory, nativeJob, newControl } from '../native/job.ts'
import type { NativeModel, NativeSession } from '../native/types.ts'

export interface TextRows {
  /** The text's first row. */
  firstRow: number
  /** Tokens of it that are there already. */
  length: number
}

/** A text that has ended, one row for each of its tokens. */
interface Kept {
  ids: Int32Array
  firstRow: number
}

/** The share of all rows that texts which have ended may keep. */
const keptShare = 1 / 2
/** For fewer tokens a copy is not worth its job. */
const minShared = 16

/** Tokens of a prompt that its texts share. The last one has to run for each of them, to say what follows. */
export function sharedTokens(prompt: Int32Array): number {
  return prompt.length - 1 < minShared ? 0 : prompt.length - 1
}

export class KvRows {
  private readonly native: Pick<NativeModel, 'session'>
  private readonly limit: number
  private opened: NativeSession | undefined
  private pool = new RowPool()
  /** Those that were used last come last. */
  private kept: Kept[] = []
  /** So many rows found no memory while this session was there. */
  private refused = Number.POSITIVE_INFINITY

  /** @param limit rows; a single text may have more when it is alone */
  constructor(native: Pick<NativeModel, 'session'>, limit: number) {
    this.native = native
    this.limit = limit
  }

  /** The session in which the rows lie; there is one once take() has given some. */
  get session(): NativeSession {
    return this.opened!
  }

  /**
   * Takes rows side by side for each of the texts, in their order, until one finds no room.
   * @param texts the tokens each begins with, and how many rows it needs
   * @returns the rows of each text that found room
   * @throws OUT_OF_MEMORY where no text has rows, and not even the first finds any
   */
  async take(texts: readonly { ids: Int32Array; capacity: number }[]): Promise<TextRows[]> {
    if (this.pool.isEmpty && this.pool.rows > this.limit) this.release()
    const places: TextRows[] = []
    try {
      for (const [i, { ids }] of texts.entries()) {
        const firstRow = await this.find(texts.slice(i).map(({ capacity }) => capacity))
        if (firstRow === undefined) break
        const place = { firstRow, length: 0 }
        places.push(place)
        place.length = await this.begin(ids, firstRow)
      }
    } catch (error) {
      for (const [i, { firstRow }] of places.entries()) this.give(firstRow, texts[i]!.capacity)
      throw error
    }
    return places
  }

  /** Gives rows back. */
  give(firstRow: number, rows: number): void {
    this.pool.give(firstRow, rows)
  }

  /** Gives rows back, but those of a text that has ended stay as long as there is room. @param ids one a row */
  keep(firstRow: number, rows: number, ids: Int32Array): void {
    if (ids.length > keptShare * this.limit) {
      this.give(firstRow, rows)
      return
    }
    if (rows > ids.length) this.give(firstRow + ids.length, rows - ids.length)
    // What the new one begins with need not be there twice.
    const isBeginning = (other: Kept) =>
      commonLength(other.ids, other.ids.length, ids, ids.length) === other.ids.length
    for (const other of this.kept.filter(isBeginning)) this.forget(other)
    this.kept.push({ ids, firstRow })
    while (this.keptRows > keptShare * this.limit) this.forget(this.kept[0]!)
  }

  /** Frees what memory it can, now that no text runs. */
  async settle(): Promise<void> {
    if (this.kept.length === 0) {
      this.release()
      return
    }
    const rows = this.keptRows
    if (this.pool.rows <= 2 * rows) return
    const moved: Kept[] = []
    const copies: number[] = []
    for (const { ids, firstRow } of this.kept) {
      const before = moved.at(-1)
      const place = before ? before.firstRow + before.ids.length : 0
      moved.push({ ids, firstRow: place })
      copies.push(firstRow, place, ids.length)
    }
    if ((await this.resize(rows, copies)) !== undefined) return
    this.kept = moved
    // Memory has come free.
    this.refused = Number.POSITIVE_INFINITY
    this.pool = new RowPool()
    this.pool.extend(rows)
    this.pool.take(rows)
  }

  private get keptRows(): number {
    return this.kept.reduce((n, { ids }) => n + ids.length, 0)
  }

  private forget(kept: Kept): void {
    this.kept = this.kept.filter(other => other !== kept)
    this.give(kept.firstRow, kept.ids.length)
  }

  /** Finds rows for the first of the capacities: free ones, else more, else those of texts that have ended. */
  private async find(capacities: readonly number[]): Promise<number | undefined> {
    for (;;) {
      const place = this.pool.take(capacities[0]!)
      if (place !== undefined) return place
      if (await this.grow(capacities)) continue
      if (this.kept.length === 0) return undefined
      this.forget(this.kept[0]!)
    }
  }

  /** Copies what the text has in common with one that is kept. @returns how many tokens */
  private async begin(ids: Int32Array, firstRow: number): Promise<number> {
    // The last token has to run, to say what follows.
    const lengths = this.kept.map(kept => commonLength(kept.ids, kept.ids.length, ids, ids.length - 1))
    const length = Math.max(0, ...lengths)
    if (length < minShared) return 0
    const kept = this.kept[lengths.indexOf(length)]!
    this.kept = [...this.kept.filter(other => other !== kept), kept]
    const copy = Int32Array.of(kept.firstRow, firstRow, length)
    await nativeJob(() => this.session.copy(copy, newControl()))
    return length
  }

  private release(): void {
    this.opened?.dispose()
    this.opened = undefined
    this.pool = new RowPool()
    this.kept = []
    this.refused = Number.POSITIVE_INFINITY
  }

  /** Makes room for the first text at least, and for all if that can be. */
  private async grow([first, ...others]: readonly number[]): Promise<boolean> {
    // A session with nothing in it may be of any size, and needs no memory beside the next.
    if (this.pool.isEmpty) this.release()
    const { rows: held, isEmpty: isAlone } = this.pool
    const least = held - this.pool.freeAtEnd + first!
    if (!isAlone && (least > this.limit || least >= this.refused)) return false
    const all = others.reduce((sum, rows) => sum + rows, least)
    // Half as much again, so that texts that come one by one do not copy the rest each time.
    let wanted = Math.min(this.limit, Math.max(all, Math.ceil(1.5 * held)))
    for (;;) {
      if (this.refused < Number.POSITIVE_INFINITY)
        wanted = Math.min(wanted, Math.floor((held + this.refused) / 2))
      wanted = Math.max(least, wanted)
      const refusal = await this.resize(wanted, held > 0 ? [0, 0, held] : [])
      if (refusal === undefined) {
        this.pool.extend(wanted)
        return true
      }
      this.refused = wanted
      if (wanted > least) continue
      if (isAlone) throw refusal
      return false
    }
  }

  /** @returns why there is no memory for so many */
  private async resize(rows: number, copies: readonly number[]): Promise<MtLlamaError | undefined> {
    this.opened ??= await nativeJob(() => this.native.session())
    try {
      await nativeJob(() => this.session.resize(rows, Int32Array.from(copies), newControl()))
      return undefined
    } catch (error) {
      if (isOutOfMemory(error)) return error
      throw error
    }
  }
}
