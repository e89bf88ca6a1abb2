// Stands in for native scoring in tests of the planner: its scores tell exactly what each scored row can see.
import type { NativePack, NativeScores } from '../src/native/types.ts'

/** Makes a number in [-1, 0) that tells contexts and targets apart. */
export function fingerprint(context: ArrayLike<number>, target: number): number {
  let hash = 2166136261
  for (let i = 0; i <= context.length; i++)
    hash = Math.imul(hash ^ (i < context.length ? context[i]! : target + 1e6), 16777619) >>> 0
  return -Math.fround((hash + 1) / 2 ** 32)
}

/**
 * Reads a pack by the rules at struct Pack in native/backend/pack.h; a target's "log-probability" is its fingerprint.
 * @param cache the ids of a session's rows
 */
export function scorePack(pack: NativePack, cache: Int32Array = new Int32Array()): NativeScores {
  const { ids, positions, branchStart, trees, rows, targets, topK } = pack
  const segments = pack.segments ?? new Int32Array((trees.length / 3) * 2)
  const treeOf = new Int32Array(ids.length).fill(-1)
  for (let t = 0; t < trees.length / 3; t++) treeOf.fill(t, trees[3 * t]!, trees[3 * t + 1]!)
  const logProbs = Float32Array.from(rows, (row, i) => {
    const [start, , prefixLength] = trees.subarray(3 * treeOf[row]!, 3 * treeOf[row]! + 3)
    const [row0, length] = segments.subarray(2 * treeOf[row]!, 2 * treeOf[row]! + 2)
    if (row0! < 0 || row0! + length! > cache.length) throw new Error(`rows ${row0} to ${row0! + length!}`)
    const context = [...cache.subarray(row0, row0! + length!)]
    for (let column = start!; column <= row; column++) {
      if (column < branchStart[row]! && column >= start! + prefixLength!) continue
      if (positions[column] !== context.length)
        throw new Error(`row ${row} sees position ${positions[column]} out of order`)
      context.push(ids[column]!)
    }
    return fingerprint(context, targets[i]!)
  })
  return {
    logProbs,
    argmax: targets.slice(),
    topIds: new Int32Array(rows.length * topK),
    topLogProbs: new Float32Array(rows.length * topK),
  }
}

/** Makes a generator of numbers in [0, 1) from a seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
