// How much memory training takes, and refusing a run that does not fit before it starts.
import type { Checkpoint, LlamaConfig } from '../checkpoint/checkpoint.ts'
import { parameterCount } from '../checkpoint/tensors.ts'
import { MtLlamaError } from '../errors.ts'
import type { TrainedParameter } from './train-checkpoint.ts'
import type { TrainDType } from './train-config.ts'

type Trained = Pick<Checkpoint, 'path' | 'config' | 'tensors'>

/** What is trained of a model. */
export interface Trains {
  parameters: readonly TrainedParameter[]
  /** The rank of its adapters; 0 where all weights are trained. */
  rank: number
  dtype: TrainDType
}

/** What training takes of memory, in bytes. */
export interface TrainingBytes {
  /**
   * The weights that run, and a matrix transposed, the largest; of what is trained the originals, gradients and AdamW's two
   * moments; of adapters the matrices that run, each transposed too.
   */
  fixed: number
  /** What the passes over a pack keep of each token (struct Activations in native/train/trainer.h). */
  ofToken: number
}

/** Rows of a matrix that runs come in panels: ranks are as if they were a multiple of so many. */
const panel = 16

export function trainingBytes(
  { config, tensors }: Omit<Trained, 'path'>,
  { parameters, rank, dtype }: Trains,
): TrainingBytes {
  const { hiddenSize, intermediateSize, vocabSize } = config
  const largest = hiddenSize * Math.max(vocabSize, intermediateSize)
  const trained = parameterCount(parameters)
  const adapters = rank === 0 ? 0 : 2 * trained * (Math.ceil(rank / panel) * (panel / rank))
  const numberBytes = dtype === 'float32' ? 4 : 2
  return {
    fixed: numberBytes * (parameterCount(tensors) + largest + adapters) + 4 * 4 * trained,
    ofToken: activationBytes(config, numberBytes) + adapterActivationBytes(config, rank, numberBytes),
  }
}

/** @param numberBytes of the numbers that products read */
function activationBytes(config: LlamaConfig, numberBytes: number): number {
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim } = config
  const attention = heads * headDim
  const qkv = (heads + 2 * kvHeads) * headDim
  const read = 2 * hiddenSize + 3 * intermediateSize + attention
  const rounded = numberBytes < 4 ? Math.max(hiddenSize, qkv) : 0
  const others = (layers + 5) * hiddenSize + 3 * intermediateSize + 2 * qkv + attention
  return numberBytes * (read + rounded) + 4 * others
}

/** Inner products of all maps of a layer and the gradient of one, and a part of the widest outputs. */
function adapterActivationBytes(config: LlamaConfig, rank: number, numberBytes: number): number {
  if (rank === 0) return 0
  const { intermediateSize, heads, kvHeads, headDim } = config
  const widest = Math.max(heads * headDim, intermediateSize)
  const sums = Math.max((heads + 2 * kvHeads) * headDim, 2 * intermediateSize)
  return numberBytes * (8 * rank + widest) + 4 * (rank + sums)
}

/** @param available bytes of the device's memory @returns bytes that training takes @throws OUT_OF_MEMORY with the figures */
export function checkTrainingMemory(
  checkpoint: Trained,
  trains: Trains,
  packTokens: number,
  available: number,
): number {
  const { fixed, ofToken } = trainingBytes(checkpoint, trains)
  const needed = fixed + packTokens * ofToken
  if (needed <= available) return needed
  const fits = Math.floor((available - fixed) / ofToken)
  const wayOut =
    fits >= 8
      ? `Packs of ${fits} tokens would fit`
      : `${trains.rank === 0 ? 'LoRA, a' : 'A'} smaller model, or a machine with more memory, would do`
  throw new MtLlamaError(
    'OUT_OF_MEMORY',
    `${checkpoint.path}: training takes ${gib(needed)} (weights, gradients and moments ${gib(fixed)}, packs of ` +
      `${packTokens} tokens ${gib(packTokens * ofToken)}), but ${gib(available)} are available. ${wayOut}.`,
  )
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`
}
