// Computes how much memory a benchmark takes, and refuses one that does not fit before it starts.

import type { LlamaConfig } from '../checkpoint/checkpoint.ts'
import { MtLlamaError } from '../errors.ts'
import { activationBytes, kvBytesPerToken } from '../model/memory.ts'
import type { DType } from '../native/types.ts'
import { dtypeBytes } from './counts.ts'

/** Bytes that are read to measure the peak of reading, and that an op's copies of its weights take (native/check/timing.cc). */
const pastCaches = 512 * 2 ** 20
/** Copies of the largest matrix, as float32, that exist while an op is made and compared with the reference. */
const hostCopies = 5

/** As hostCopies, of the head with its gradient. */
const trainHostCopies = 9

export interface Need {
  /** What takes the memory, in words. */
  what: string
  bytes: number
}

/** Memory of the device that measuring the peaks takes. */
export const peaksNeed: Need = { what: 'measuring the peaks', bytes: pastCaches }

/** Memory that an op takes on the device, and on the host beside it. */
export function opsNeeds(config: LlamaConfig, dtype: DType): { device: Need; host: Need } {
  const { hiddenSize, intermediateSize, vocabSize, heads, kvHeads, headDim } = config
  const largest = hiddenSize * Math.max(vocabSize, 2 * intermediateSize, (heads + 2 * kvHeads) * headDim)
  const matrix = largest * dtypeBytes[dtype]
  return {
    device: { what: 'an op with copies of its weights', bytes: matrix + Math.max(pastCaches, matrix) },
    host: { what: 'the numbers of an op, and the reference', bytes: 4 * hostCopies * largest },
  }
}

/** As opsNeeds(), of the ops of training. @param rows tokens that they run on */
export function trainOpsNeeds(config: LlamaConfig, dtype: DType, rows: number): { device: Need; host: Need } {
  const { hiddenSize, intermediateSize, vocabSize } = config
  const head = hiddenSize * Math.max(vocabSize, intermediateSize)
  // The weight, transposed too, and its gradient; of swiglu_backward the gate and up and what goes back to them, and two of half the size.
  const weights = head * (2 * dtypeBytes[dtype] + 4)
  const activations = 4 * rows * 6 * intermediateSize
  return {
    device: { what: 'an op of training', bytes: weights + activations },
    host: { what: 'the numbers of an op, and the reference', bytes: 4 * trainHostCopies * head },
  }
}

/** The sum of both needs, for a device whose memory is the host's. */
export function bothNeeds({ device, host }: { device: Need; host: Need }): Need {
  return { what: `${device.what}, ${host.what}`, bytes: device.bytes + host.bytes }
}

/** Memory that a loaded model takes. @param tokens in a pack @param positions in the KV cache */
export function modelNeed(config: LlamaConfig, weightBytes: number, tokens: number, positions: number): Need {
  const bytes = weightBytes + activationBytes(config, tokens) + positions * kvBytesPerToken(config)
  return { what: 'weights, activations, keys and values', bytes }
}

/**
 * Checks that the largest need fits, since the parts run one after another.
 * @throws OUT_OF_MEMORY with the figures
 */
export function checkNeeds(name: string, needs: readonly Need[], available: number): void {
  const largest = needs.reduce((a, b) => (b.bytes > a.bytes ? b : a))
  if (largest.bytes <= available) return
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`
  throw new MtLlamaError(
    'OUT_OF_MEMORY',
    `${name}: the benchmark takes ${gib(largest.bytes)} (${largest.what}), but ${gib(available)} are available. ` +
      'A smaller model, shape or dtype, or fewer parts of it, would do',
  )
}
