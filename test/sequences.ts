// Sequences for tests of the planner.
import type { Sequence } from '../src/scoring/sequence.ts'

export function sequence(ids: number[], first: number): Sequence {
  return { ids: Int32Array.from(ids), first, request: 0, continuation: 0 }
}

export function repeat(id: number, n: number): number[] {
  return Array.from({ length: n }, () => id)
}

/** Makes sequences that grow from one another, so that they share beginnings of all lengths. */
export function randomSequences(random: () => number, count: number): Sequence[] {
  const known: number[][] = [[0]]
  return Array.from({ length: count }, () => {
    const from = known[Math.floor(random() * known.length)]!
    const kept = from.slice(0, 1 + Math.floor(random() * from.length))
    const more = Array.from({ length: 1 + Math.floor(random() * 12) }, () => Math.floor(random() * 3))
    const ids = [...kept, ...more]
    known.push(ids)
    return sequence(ids, 1 + Math.floor(random() * (ids.length - 1)))
  })
}
