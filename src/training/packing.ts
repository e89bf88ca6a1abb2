// Lays the examples of a step out as flat packs: no padding, and no example sees another.
import { MtLlamaError } from '../errors.ts'
import type { NativeTrainPack } from '../native/types.ts'
import type { EncodedExample } from './encode-example.ts'

/**
 * Examples of one forward and backward pass: a tree for each, without a shared prefix. An example's last token is left out,
 * because nothing is predicted from it. The weights are those of the examples, above 0.
 */
export interface TrainingPack extends NativeTrainPack {
  /** Which examples of the step the trees are of, in their order. */
  examples: number[]
}

export interface PackOptions {
  /** Tokens of a pack at most: memory goes by it. */
  packTokens: number
  /**
   * Examples that are sorted at once. A step of more is packed in parts; so the window is never a reason for which examples
   * form a step.
   * @default 1024
   */
  window?: number
}

/**
 * Packs the examples of one step by first-fit decreasing: longest first, each into the first pack with room (Johnson 1973;
 * at most 11/9 of the fewest packs, and 6/9 of a pack). Equal lengths keep their order, so that equal steps are equal packs.
 * @throws INVALID_ARGUMENT for an example that no pack holds
 */
export function packExamples(
  examples: readonly EncodedExample[],
  { packTokens, window = 1024 }: PackOptions,
): TrainingPack[] {
  const packs: TrainingPack[] = []
  for (let start = 0; start < examples.length; start += window) {
    const places = examples.slice(start, start + window).map((_, i) => start + i)
    for (const bin of fit(places, i => rowsOf(examples[i]!), packTokens)) packs.push(layOut(examples, bin))
  }
  return packs
}

/** Rows that an example takes in a pack. */
function rowsOf({ ids }: EncodedExample): number {
  return ids.length - 1
}

function fit(places: readonly number[], sizeOf: (place: number) => number, room: number): number[][] {
  const bins: { free: number; places: number[] }[] = []
  for (const place of places.toSorted((a, b) => sizeOf(b) - sizeOf(a))) {
    const size = sizeOf(place)
    if (size > room)
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        `packTokens is ${room}; example ${place} has ${size} tokens to run. Raise it, or lower the maximum length of examples.`,
      )
    const bin = bins.find(({ free }) => free >= size)
    if (bin) {
      bin.places.push(place)
      bin.free -= size
    } else bins.push({ free: room - size, places: [place] })
  }
  return bins.map(bin => bin.places.sort((a, b) => a - b))
}

function layOut(examples: readonly EncodedExample[], places: readonly number[]): TrainingPack {
  const tokens = places.reduce((sum, place) => sum + rowsOf(examples[place]!), 0)
  const ids = new Int32Array(tokens)
  const positions = new Int32Array(tokens)
  const branchStart = new Int32Array(tokens)
  const trees = new Int32Array(3 * places.length)
  const rows: number[] = []
  const targets: number[] = []
  const weights: number[] = []
  let start = 0
  for (const [t, place] of places.entries()) {
    const example = examples[place]!
    const length = rowsOf(example)
    ids.set(example.ids.subarray(0, length), start)
    branchStart.fill(start, start, start + length)
    for (let i = 0; i < length; i++) {
      positions[start + i] = i
      const weight = example.weights[i + 1]!
      if (weight === 0) continue
      rows.push(start + i)
      targets.push(example.ids[i + 1]!)
      weights.push(weight)
    }
    trees.set([start, start + length, 0], 3 * t)
    start += length
  }
  return {
    ...{ ids, positions, branchStart, trees, examples: [...places] },
    rows: Int32Array.from(rows),
    targets: Int32Array.from(targets),
    weights: Float32Array.from(weights),
  }
}
