// How much memory training takes, and refusing a run that does not fit before it starts.
import type { Checkpoint, LlamaConfig } from '../checkpoint/checkpoint.ts'
import { parameterCount } from '../checkpoint/tensors.ts'
import { MtLlamaError } from '../errors.ts'
import { availableBytes } from '../model/memory.ts'

type Trained = Pick<Checkpoint, 'path' | 'config' | 'tensors'>

/** What full training in float32 takes of memory, in bytes. */
export interface TrainingBytes {
  /** The weights that run, their originals, gradients and AdamW's two moments; and a matrix transposed, the largest. */
  fixed: number
  /** What the passes over a pack keep of each token (struct Activations in native/train/trainer.h). */
  ofToken: number
}

export function trainingBytes({ config, tensors }: Omit<Trained, 'path'>): TrainingBytes {
  const { hiddenSize, intermediateSize, vocabSize } = config
  const largest = hiddenSize * Math.max(vocabSize, intermediateSize)
  return {
    fixed: 4 * (5 * parameterCount(tensors) + largest),
    ofToken: 4 * activationsOfToken(config),
  }
}

/** Numbers that are kept of each token of a pack. */
function activationsOfToken(config: LlamaConfig): number {
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim } = config
  const attention = heads * headDim
  const qkv = (heads + 2 * kvHeads) * headDim
  return (layers + 7) * hiddenSize + 6 * intermediateSize + 2 * (qkv + attention)
}

/** @returns bytes that training takes @throws OUT_OF_MEMORY with the figures */
export function checkTrainingMemory(
  checkpoint: Trained,
  packTokens: number,
  available = availableBytes(),
): number {
  const { fixed, ofToken } = trainingBytes(checkpoint)
  const needed = fixed + packTokens * ofToken
  if (needed <= available) return needed
  const fits = Math.floor((available - fixed) / ofToken)
  const wayOut =
    fits >= 8
      ? `Packs of ${fits} tokens would fit`
      : 'A smaller model, or a machine with more memory, would do'
  throw new MtLlamaError(
    'OUT_OF_MEMORY',
    `${checkpoint.path}: training takes ${gib(needed)} (weights, gradients and moments ${gib(fixed)}, packs of ` +
      `${packTokens} tokens ${gib(packTokens * ofToken)}), but ${gib(available)} are available. ${wayOut}.`,
  )
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`
}
