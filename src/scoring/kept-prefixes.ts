// Prefixes that stay between calls: their keys and values lie in one native session, and sequences that begin with their
// tokens are scored from there on.
import { commonLength } from '../calls/common-length.ts'
import { RowPool } from '../calls/row-pool.ts'
import { MtLlamaError } from '../errors.ts'
import { abortedError, cancel, disposedError, nativeJob, newControl, onAbort } from '../native/job.ts'
import type { Control, NativeModel, NativePack, NativeScores, NativeSession } from '../native/types.ts'
import type { Segment, Sequence } from './sequence.ts'

export interface KeptPrefix {
  readonly ids: Int32Array
  /** Does not change as long as there are users. */
  readonly firstRow: number
  /** Its owner, and each call with sequences that begin with it. */
  users: number
  /** By their lengths, so that equal ones are one object. */
  readonly segments: Map<number, Segment>
}

const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 }

export class KeptPrefixes {
  private readonly native: Pick<NativeModel, 'session'>
  private readonly limit: number
  private session: NativeSession | undefined
  private pool = new RowPool()
  private readonly found = new Set<KeptPrefix>()
  private users = 0
  /** Prefixes come one after another: each may make the session larger. */
  private adding: Promise<unknown> = Promise.resolve()
  private readonly closing = new AbortController()

  /** @param limit tokens, of all prefixes */
  constructor(native: Pick<NativeModel, 'session'>, limit: number) {
    this.native = native
    this.limit = limit
  }

  /**
   * Runs a prefix. It is found from then on until its owner gives it up by release().
   * @throws OUT_OF_MEMORY, ABORTED, DISPOSED
   */
  add(ids: Int32Array, signal: AbortSignal | undefined): Promise<KeptPrefix> {
    const added = this.adding.then(() => this.run(ids, signal))
    this.adding = added.catch(() => {})
    return added
  }

  /** Gives up one use. */
  release(kept: KeptPrefix): void {
    kept.users--
    this.users--
    if (kept.users > 0) return
    this.pool.give(kept.firstRow, kept.ids.length)
    if (this.users === 0) this.close()
  }

  /** The owner's release(): calls that use the prefix may go on, and no other finds it. */
  forget(kept: KeptPrefix): void {
    if (this.found.delete(kept)) this.release(kept)
  }

  /**
   * The sequence after what it has in common with a prefix, or as it is.
   * @param using the prefixes that the caller uses, to which this one is added; it releases each in the end
   */
  shorten(whole: Sequence, using: Set<KeptPrefix>): Sequence {
    const { ids, first } = whole
    let longest: KeptPrefix | undefined
    let length = 0
    for (const kept of this.found) {
      // The token before the first that is scored has to run, to predict it.
      const common = commonLength(kept.ids, kept.ids.length, ids, first - 1)
      if (common > length) [longest, length] = [kept, common]
    }
    if (!longest) return whole
    if (!using.has(longest)) this.use(longest, using)
    const { segments, firstRow } = longest
    const segment = segments.get(length) ?? { row: firstRow, length }
    segments.set(length, segment)
    return { ...whole, ids: ids.subarray(length), first: first - length, segment, whole }
  }

  /** Ends prefixes that are being run with DISPOSED; later ones fail at once. */
  dispose(): void {
    this.closing.abort()
  }

  /** Scores a pack with segments. */
  score(pack: NativePack, control: Control, isUrgent: boolean): Promise<NativeScores> {
    return this.session!.score(pack, control, isUrgent)
  }

  private use(kept: KeptPrefix, using: Set<KeptPrefix>): void {
    using.add(kept)
    kept.users++
    this.users++
  }

  private async run(ids: Int32Array, signal: AbortSignal | undefined): Promise<KeptPrefix> {
    const { signal: closing } = this.closing
    if (closing.aborted) throw disposedError()
    // It may have fired while prefixes before this one were run.
    if (signal?.aborted) throw abortedError(signal)
    const control = newControl()
    const stops = [signal, closing].map(each => onAbort(each, () => cancel(control)))
    // Counted from here on, so that the session is not closed meanwhile.
    this.users++
    let firstRow: number | undefined
    try {
      firstRow = this.pool.take(ids.length) ?? (await this.grow(ids.length))
      const sequences = Int32Array.of(firstRow, 0, 0)
      const offsets = Int32Array.of(0, ids.length)
      await nativeJob(() => this.session!.step(sequences, [greedy], offsets, ids, control))
    } catch (error) {
      if (firstRow !== undefined) this.pool.give(firstRow, ids.length)
      this.users--
      if (this.users === 0) this.close()
      throw closing.aborted ? disposedError() : error
    } finally {
      for (const stop of stops) stop()
    }
    const kept: KeptPrefix = { ids, firstRow, users: 1, segments: new Map() }
    this.found.add(kept)
    return kept
  }

  /** Adds rows at the end. Rows never move, so packs that wait find theirs in the larger session too. */
  private async grow(rows: number): Promise<number> {
    const held = this.pool.rows
    const wanted = held - this.pool.freeAtEnd + rows
    if (wanted > this.limit)
      throw new MtLlamaError(
        'OUT_OF_MEMORY',
        `a prefix of ${rows} tokens finds no room: keys and values of ${this.limit} tokens may be kept, and ${held - this.pool.freeAtEnd} are. ` +
          'Dispose of a prefix that is no longer needed, or take a shorter one',
      )
    this.session ??= await nativeJob(() => this.native.session())
    const copies = held > 0 ? Int32Array.of(0, 0, held) : new Int32Array()
    await nativeJob(() => this.session!.resize(wanted, copies, newControl()))
    this.pool.extend(wanted)
    return this.pool.take(rows)!
  }

  private close(): void {
    this.session?.dispose()
    this.session = undefined
    this.pool = new RowPool()
  }
}
