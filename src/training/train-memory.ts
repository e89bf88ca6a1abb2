// How much memory training takes, and refusing a run that does not fit before it starts.
import type { Checkpoint, LlamaConfig } from '../checkpoint/checkpoint.ts'
import { parameterCount } from '../checkpoint/tensors.ts'
import { MtLlamaError } from '../errors.ts'
import { availableBytes } from '../model/memory.ts'

/** What full training in float32 takes of memory, in bytes. */
export interface TrainingBytes {
  /** The weights that run, their originals, gradients and AdamW's two moments. */
  parameters: number
  /** What the passes over a pack of the largest size keep (struct Activations in native/train/trainer.h), and a transposed matrix. */
  activations: number
}

export function trainingBytes(
  { config, tensors }: Pick<Checkpoint, 'config' | 'tensors'>,
  packTokens: number,
): TrainingBytes {
  const { hiddenSize, intermediateSize, vocabSize } = config
  const largest = hiddenSize * Math.max(vocabSize, intermediateSize)
  return {
    parameters: 4 * 5 * parameterCount(tensors),
    activations: 4 * (packTokens * activationsOfToken(config) + largest),
  }
}

/** Numbers that are kept of each token of a pack. */
function activationsOfToken(config: LlamaConfig): number {
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim } = config
  const attention = heads * headDim
  const qkv = (heads + 2 * kvHeads) * headDim
  return (layers + 7) * hiddenSize + 6 * intermediateSize + 2 * (qkv + attention)
}

/** @throws OUT_OF_MEMORY with the figures */
export function checkTrainingMemory(
  checkpoint: Checkpoint,
  packTokens: number,
  available = availableBytes(),
): void {
  const { parameters, activations } = trainingBytes(checkpoint, packTokens)
  if (parameters + activations <= available) return
  const fits = Math.floor((available - parameters) / (activations / packTokens))
  const wayOut =
    fits >= 8
      ? `Packs of ${fits} tokens would fit`
      : 'A smaller model, or a machine with more memory, would do'
  throw new MtLlamaError(
    'OUT_OF_MEMORY',
    `${checkpoint.path}: training takes ${gib(parameters + activations)} (weights, gradients and moments ${gib(parameters)}, ` +
      `packs of ${packTokens} tokens ${gib(activations)}), but ${gib(available)} are available. ${wayOut}.`,
  )
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`
}
