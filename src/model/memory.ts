// How much memory a load takes, and refusing one that does not fit before it starts.
import { freemem } from 'node:os'
import type { LlamaConfig } from '../checkpoint/checkpoint.ts'
import { MtLlamaError } from '../errors.ts'

/** What loading holds beside the weights: rows on their way from the file to the device. */
const stagingBytes = 64 * 2 ** 20

/** Activations of a pack: see Activations in native/model/llama.h. All counted as float32. */
export function activationBytes(config: LlamaConfig, tokens: number): number {
  const attention = (2 * config.heads + 2 * config.kvHeads) * config.headDim
  return 4 * tokens * (3 * config.hiddenSize + attention + config.intermediateSize)
}

/** Keys and values of one position, in float32. */
export function kvBytesPerToken(config: LlamaConfig): number {
  return 4 * 2 * config.layers * config.kvHeads * config.headDim
}

/** Bytes this process may still take. */
export function availableBytes(): number {
  return process.availableMemory?.() ?? freemem()
}

/** @throws OUT_OF_MEMORY with the figures */
export function checkMemory(
  path: string,
  dtype: string,
  weights: number,
  activations: number,
  available: number,
): void {
  const needed = weights + activations + stagingBytes
  if (needed <= available) return
  throw new MtLlamaError(
    'OUT_OF_MEMORY',
    `${path}: loading as ${dtype} takes ${size(needed)} (weights ${size(weights)}, activations ${size(activations)}, ` +
      `loading ${size(stagingBytes)}), but ${size(available)} are available. ` +
      'A smaller dtype or model, or a machine with more memory, would do',
  )
}

function size(bytes: number): string {
  return bytes < 2 ** 30 ? `${Math.ceil(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`
}
