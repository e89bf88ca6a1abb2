// How much memory a benchmark takes, and refusing one that does not fit before it starts.

import type { LlamaConfig } from '../checkpoint/checkpoint.ts'
import { MtLlamaError } from '../errors.ts'
import { activationBytes, kvBytesPerToken } from '../model/memory.ts'
import type { DType } from '../native/types.ts'
import { dtypeBytes } from './counts.ts'

/** Bytes that the peak of reading goes through, and that the copies of an op's weights take (native/bench/op_timing.cc). */
const pastCaches = 512 * 2 ** 20
/** Copies of the largest matrix, as float32, while an op is made and compared: its numbers, the reference's, both rounded. */
const hostCopies = 5

export interface Need {
  /** What takes it, in words. */
  what: string
  bytes: number
}

/** The need of the peaks on the device. */
export const peaksNeed: Need = { what: 'measuring the peaks', bytes: pastCaches }

/** The needs of an op on the device, and on the host beside it. */
export function opsNeeds(config: LlamaConfig, dtype: DType): { device: Need; host: Need } {
  const { hiddenSize, intermediateSize, vocabSize, heads, kvHeads, headDim } = config
  const largest = hiddenSize * Math.max(vocabSize, 2 * intermediateSize, (heads + 2 * kvHeads) * headDim)
  const matrix = largest * dtypeBytes[dtype]
  return {
    device: { what: 'an op with copies of its weights', bytes: matrix + Math.max(pastCaches, matrix) },
    host: { what: 'the numbers of an op, and the reference', bytes: 4 * hostCopies * largest },
  }
}

/** Both needs together, for a device whose memory is the host's. */
export function bothNeeds({ device, host }: { device: Need; host: Need }): Need {
  return { what: `${device.what}, ${host.what}`, bytes: device.bytes + host.bytes }
}

/** @param tokens of a pack. @param positions in the KV cache */
export function modelNeed(config: LlamaConfig, weightBytes: number, tokens: number, positions: number): Need {
  const bytes = weightBytes + activationBytes(config, tokens) + positions * kvBytesPerToken(config)
  return { what: 'weights, activations, keys and values', bytes }
}

/**
 * The parts run one after another: the largest must fit.
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
