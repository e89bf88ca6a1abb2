// Lays trees out as one pack of the flat-tree layout, and finds each sequence's scores in what comes back.
import type { NativePack, NativeScores } from '../native/types.ts'
import type { Sequence } from './sequence.ts'
import { segmentOf, type Tree, tokensOf } from './tree.ts'

export interface Pack {
  native: NativePack
  /** Per sequence of the trees: where each of its scored tokens lies among the pack's scored rows. */
  slots: Map<Sequence, Int32Array>
}

/** What native said of one sequence's scored tokens, in their order. */
export interface SequenceScores {
  logProbs: Float32Array
  /** The best token at each. */
  argmax: Int32Array
  /** [tokens, topK], best first. */
  topIds: Int32Array
  topLogProbs: Float32Array
}

/** The flat-tree layout is described at struct Pack in native/backend/pack.h. */
export function layOut(trees: readonly Tree[], topK: number): Pack {
  const tokens = tokensOf(trees)
  const ids = new Int32Array(tokens)
  const positions = new Int32Array(tokens)
  const branchStart = new Int32Array(tokens)
  const bounds = new Int32Array(3 * trees.length)
  const segments = new Int32Array(2 * trees.length)
  const scored = new ScoredRows()
  const slots = new Map<Sequence, Int32Array>()
  let at = 0

  // Writes ids[from .. to) of a sequence, of which `before` tokens lie in a segment, as a run that begins its own branch.
  const write = (source: Int32Array, from: number, to: number, before: number) => {
    const start = at
    ids.set(source.subarray(from, to), at)
    for (let position = from; position < to; position++, at++) {
      positions[at] = before + position
      branchStart[at] = start
    }
  }

  for (const [t, tree] of trees.entries()) {
    const start = at
    const { prefixLength } = tree
    const { row: segmentRow, length: before } = segmentOf(tree) ?? { row: 0, length: 0 }
    segments.set([segmentRow, before], 2 * t)
    write(tree.leaves[0]!.ids, 0, prefixLength, before)
    for (const leaf of tree.leaves) {
      const branch = at - prefixLength
      write(leaf.ids, prefixLength, leaf.length, before)
      for (const sequence of leaf.sequences) {
        const own = new Int32Array(sequence.ids.length - sequence.first)
        for (let i = 0; i < own.length; i++) {
          const position = sequence.first + i - 1
          const row = position < prefixLength ? start + position : branch + position
          own[i] = scored.add(row, sequence.ids[position + 1]!)
        }
        slots.set(sequence, own)
      }
    }
    bounds.set([start, at, prefixLength], 3 * t)
  }
  return {
    native: {
      ids,
      positions,
      branchStart,
      trees: bounds,
      ...(segments.some(n => n > 0) && { segments }),
      rows: scored.rows(),
      targets: scored.targets(),
      topK,
    },
    slots,
  }
}

/** The scores of one sequence; `topK` of a call may be less than the pack's. */
export function scoresAt(
  slots: Int32Array,
  scores: NativeScores,
  packTopK: number,
  topK: number,
): SequenceScores {
  const n = slots.length
  const own: SequenceScores = {
    logProbs: new Float32Array(n),
    argmax: new Int32Array(n),
    topIds: new Int32Array(n * topK),
    topLogProbs: new Float32Array(n * topK),
  }
  for (let i = 0; i < n; i++) {
    const slot = slots[i]!
    own.logProbs[i] = scores.logProbs[slot]!
    own.argmax[i] = scores.argmax[slot]!
    const top = slot * packTopK
    own.topIds.set(scores.topIds.subarray(top, top + topK), i * topK)
    own.topLogProbs.set(scores.topLogProbs.subarray(top, top + topK), i * topK)
  }
  return own
}

/** The pairs of row and target that a pack scores, each once. */
class ScoredRows {
  private readonly rowOf: number[] = []
  private readonly targetOf: number[] = []
  private readonly slotOf = new Map<number, number>()

  add(row: number, target: number): number {
    // The key is exact for packs of up to 4 million tokens.
    const key = row * 2 ** 31 + target
    const known = this.slotOf.get(key)
    if (known !== undefined) return known
    const slot = this.rowOf.push(row) - 1
    this.targetOf.push(target)
    this.slotOf.set(key, slot)
    return slot
  }

  rows(): Int32Array {
    return Int32Array.from(this.rowOf)
  }

  targets(): Int32Array {
    return Int32Array.from(this.targetOf)
  }
}
