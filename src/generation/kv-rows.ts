// Rows of keys and values for the texts that run: a native session that grows as they need it, and goes when none is left.

import type { MtLlamaError } from '../errors.ts'
import { isOutOfMemory, nativeJob, newControl } from '../native/job.ts'
import type { NativeModel, NativeSession } from '../native/types.ts'
import { RowPool } from './row-pool.ts'

export class KvRows {
  private readonly native: Pick<NativeModel, 'session'>
  private readonly limit: number
  private opened: NativeSession | undefined
  private pool = new RowPool()
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
   * @param capacities rows of each text
   * @returns the first row of each text that found room
   * @throws OUT_OF_MEMORY where nothing is held and not even the first finds any
   */
  async take(capacities: readonly number[]): Promise<number[]> {
    if (this.pool.isEmpty && this.pool.rows > this.limit) this.release()
    const places: number[] = []
    for (const [i, rows] of capacities.entries()) {
      let place = this.pool.take(rows)
      if (place === undefined && (await this.grow(capacities.slice(i)))) place = this.pool.take(rows)
      if (place === undefined) break
      places.push(place)
    }
    return places
  }

  give(first: number, rows: number): void {
    this.pool.give(first, rows)
  }

  /** Frees the memory; no text may have rows. */
  release(): void {
    this.opened?.dispose()
    this.opened = undefined
    this.pool = new RowPool()
    this.refused = Number.POSITIVE_INFINITY
  }

  /** Makes room for the first text at least, and for all if that can be. */
  private async grow([first, ...others]: readonly number[]): Promise<boolean> {
    // A session with nothing in it may be of any size, and needs no memory beside the next.
    if (this.pool.isEmpty) this.release()
    const { rows: held, isEmpty: isAlone } = this.pool
    const least = held + first!
    if (!isAlone && (least > this.limit || least >= this.refused)) return false
    const all = others.reduce((sum, rows) => sum + rows, least)
    // Half as much again, so that texts that come one by one do not copy the rest each time.
    let wanted = Math.min(this.limit, Math.max(all, Math.ceil(1.5 * held)))
    for (;;) {
      if (this.refused < Number.POSITIVE_INFINITY)
        wanted = Math.min(wanted, Math.floor((held + this.refused) / 2))
      wanted = Math.max(least, wanted)
      const refusal = await this.reserve(wanted)
      if (refusal === undefined) return true
      this.refused = wanted
      if (wanted > least) continue
      if (isAlone) throw refusal
      return false
    }
  }

  /** @returns why there is no memory for so many */
  private async reserve(rows: number): Promise<MtLlamaError | undefined> {
    this.opened ??= await nativeJob(() => this.native.session())
    try {
      await nativeJob(() => this.session.reserve(rows, newControl()))
      this.pool.extend(rows)
      return undefined
    } catch (error) {
      if (isOutOfMemory(error)) return error
      throw error
    }
  }
}
