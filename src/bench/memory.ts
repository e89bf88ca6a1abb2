// How much memory a benchmark takes, and refusing one that does not fit before it starts.
import type { DType } from '../binding.ts'
import type { LlamaConfig } from '../checkpoint/checkpoint.ts'
import { MtLlamaError } from '../errors.ts'
import { activationBytes, kvBytesPerToken } from '../model/memory.ts'
import { dtypeBytes } from './counts.ts'

/** What the peak of reading goes through, and the copies of an op's weights take (native/bench/op_timing.cc). */
const pastCaches = 512 * 2 ** 20
/** Of the largest matrix as float32, while an op is made and compared: its numbers, the reference's, both rounded. */
const hostCopies = 5

export interface Need {
  /** What takes it, in words. */
  what: string
  bytes: number
}

/** @param onHost whether the device's memory is the host's */
export function opsNeed(config: LlamaConfig, dtype: DType, onHost: boolean): Need {
  const { hiddenSize, intermediateSize, vocabSize, heads, kvHeads, headDim } = config
  const largest = hiddenSize * Math.max(vocabSize, 2 * intermediateSize, (heads + 2 * kvHeads) * headDim)
  const matrix = largest * dtypeBytes[dtype]
  const host = onHost ? 4 * hostCopies * largest : 0
  return { what: 'an op with copies of its weights', bytes: matrix + Math.max(pastCaches, matrix) + host }
}

/** @param tokens of a pack. @param positions in the KV cache */
export function modelNeed(config: LlamaConfig, weightBytes: number, tokens: number, positions: number): Need {
  const bytes = weightBytes + activationBytes(config, tokens) + positions * kvBytesPerToken(config)
  return { what: 'weights, activations, keys and values', bytes }
}

/** @throws OUT_OF_MEMORY with the figures */
export function checkNeeds(name: string, needs: readonly Need[], available: number): void {
  const most = [...needs, { what: 'measuring the peaks', bytes: pastCaches }].reduce((a, b) =>
    b.bytes > a.bytes ? b : a,
  )
  if (most.bytes <= available) return
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`
  throw new MtLlamaError(
    'OUT_OF_MEMORY',
    `${name}: the benchmark takes ${gib(most.bytes)} (${most.what}), but ${gib(available)} are available. ` +
      'A smaller model, shape or dtype, or fewer parts of it, would do',
  )
}
