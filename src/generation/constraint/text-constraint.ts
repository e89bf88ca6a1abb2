// The constraint of one text: where in its grammar the text is, and which tokens may come next.
import type { Slices } from '../../calls/slices.ts'
import { clearBit, hasBit, setBit, type TextState, type TokenMasks } from './token-masks.ts'

export class TextConstraint {
  /** The tokens that may come next; undefined until prepare() has found them. */
  mask: Int32Array | undefined
  private readonly masks: TokenMasks
  private readonly stopIds: ReadonlySet<number>
  private readonly banned: readonly number[]
  private at: TextState

  /**
   * @param stopIds may come where the text is complete, and nowhere else
   * @param banned ids that may not come at all
   */
  constructor(masks: TokenMasks, stopIds: ReadonlySet<number>, banned: readonly number[]) {
    this.masks = masks
    this.stopIds = stopIds
    this.banned = banned
    this.at = masks.start()
  }

  /**
   * Finds the tokens that may come next.
   * @returns whether there is any
   * @throws INVALID_ARGUMENT where the grammar is too complex
   */
  *prepare(): Slices<boolean> {
    const mask = (yield* this.masks.of(this.at)).slice()
    const { vocabSize } = this.masks.trie
    const { isComplete } = this
    for (const id of this.stopIds) {
      if (!isComplete) clearBit(mask, id)
      else if (id < vocabSize) setBit(mask, id)
    }
    for (const id of this.banned) clearBit(mask, id)
    this.mask = mask
    return mask.some(word => word !== 0)
  }

  /** Takes a token of the text, which may come next by the mask. */
  push(token: number): void {
    // Only tokens of the mask, which lead on, come here.
    this.at = this.masks.after(this.at, token)!
    this.mask = undefined
  }

  allows(token: number): boolean {
    return this.mask !== undefined && hasBit(this.mask, token)
  }

  /** Whether the text may end where it is. */
  get isComplete(): boolean {
    return this.masks.isComplete(this.at)
  }

  /** Whether the text is complete and nothing can follow. */
  get isOver(): boolean {
    return this.isComplete && !this.masks.goesOn(this.at)
  }
}

/** The masks of the texts of a step; undefined where no text has one. */
export function joinMasks(masks: readonly (Int32Array | undefined)[]) {
  const own = masks.filter(mask => mask !== undefined)
  if (own.length === 0) return undefined
  const words = new Int32Array(own.length * own[0]!.length)
  const ofSequences = new Int32Array(masks.length).fill(-1)
  let next = 0
  for (const [i, mask] of masks.entries()) {
    if (!mask) continue
    words.set(mask, next * mask.length)
    ofSequences[i] = next++
  }
  return { ofSequences, words }
}
