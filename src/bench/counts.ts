// How much arithmetic and memory a pass through a model takes at least, and what share of a peak that is.

import type { LlamaConfig } from '../checkpoint/checkpoint.ts'
import { parameterCount } from '../checkpoint/tensors.ts'
import { kvBytesPerToken } from '../model/memory.ts'
import type { DType, NativePeaks } from '../native/types.ts'

export const dtypeBytes: Record<DType, number> = { float32: 4, bfloat16: 2, float16: 2 }

/** Elements of a layer's matrices: those of attention, and those of the feed-forward network. */
function layerElements({ hiddenSize, intermediateSize, heads, kvHeads, headDim }: LlamaConfig) {
  const [q, kv] = [heads * headDim, kvHeads * headDim]
  return {
    attention: hiddenSize * (q + 2 * kv) + q * hiddenSize,
    feedForward: 3 * hiddenSize * intermediateSize,
  }
}

/**
 * Operations to run one sequence of `tokens` and score its last token; a multiply-add counts as two. In the last layer only
 * that token's row goes through the feed-forward network.
 */
export function prefillFlops(config: LlamaConfig, tokens: number): number {
  const { attention, feedForward } = layerElements(config)
  const { layers, heads, headDim, hiddenSize, vocabSize } = config
  const rows = layers * tokens * attention + ((layers - 1) * tokens + 1) * feedForward
  const pairs = (tokens * (tokens + 1)) / 2
  return 2 * rows + 4 * layers * heads * headDim * pairs + 2 * hiddenSize * vocabSize
}

/**
 * Operations of a training step: forward, gradients by inputs and, of what is trained, by weights; attention's scores are
 * counted once, though the way back computes them again, as are layers whose activations are not kept.
 * @param pack tokens in sequences of `length`, and rows that the loss is on
 * @param adapters what is trained; undefined: all weights
 */
export function trainingFlops(
  config: LlamaConfig,
  { tokens, length, scored }: { tokens: number; length: number; scored: number },
  adapters?: readonly { shape: readonly number[] }[],
): number {
  const { attention, feedForward } = layerElements(config)
  const { layers, heads, headDim, hiddenSize, vocabSize } = config
  const rows = layers * tokens * attention + ((layers - 1) * tokens + scored) * feedForward
  const pairsOf = (sequence: number) => (sequence * (sequence + 1)) / 2
  const pairs = Math.floor(tokens / length) * pairsOf(length) + pairsOf(tokens % length)
  return (
    (adapters ? 4 : 6) * (rows + scored * hiddenSize * vocabSize) +
    12 * layers * heads * headDim * pairs +
    6 * tokens * parameterCount(adapters ?? [])
  )
}

/** Operations to run one token for each of `sequences`, which then have `positions` each. */
export function stepFlops(config: LlamaConfig, sequences: number, positions: number): number {
  const { layers, heads, headDim } = config
  const attention = 4 * layers * heads * headDim * positions
  return sequences * (2 * stepElements(config) + attention)
}

/** Bytes of weights that a step reads, whatever the number of sequences. The few rows of the embedding are left out. */
export function stepWeightBytes(config: LlamaConfig, dtype: DType): number {
  return stepElements(config) * dtypeBytes[dtype]
}

/** Bytes of keys and values that attention reads in a step of `sequences` with `positions` each. */
export function stepKvBytes(config: LlamaConfig, sequences: number, positions: number): number {
  return sequences * positions * kvBytesPerToken(config)
}

function stepElements(config: LlamaConfig): number {
  const { attention, feedForward } = layerElements(config)
  return config.layers * (attention + feedForward) + config.hiddenSize * config.vocabSize
}

export interface Bound {
  /** The peak that limits the speed: an instruction's name, or 'read' for memory. Null where neither does. */
  bound: string | null
  /** The share of that peak that was reached; above 1 where weights came from a cache. */
  share: number | null
}

/** @param flops operations that were done in `seconds` @param bytes read from memory in that time */
export function boundOf(
  { flops, bytes, seconds }: { flops: number; bytes: number; seconds: number },
  peaks: NativePeaks,
  dtype: DType,
): Bound {
  const instruction = peaks.instructions[dtype]
  const peak = peaks.arithmetic.find(arithmetic => arithmetic.instruction === instruction)!
  const [arithmetic, read] = [flops / peak.flops, bytes / peaks.read]
  if (arithmetic === 0 && read === 0) return { bound: null, share: null }
  return read > arithmetic
    ? { bound: 'read', share: read / seconds }
    : { bound: instruction, share: arithmetic / seconds }
}
