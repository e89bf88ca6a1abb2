// How much memory training takes, and refusing a run that does not fit before it starts.
import type { Checkpoint, LlamaConfig } from '../checkpoint/checkpoint.ts'
import { parameterCount } from '../checkpoint/tensors.ts'
import { MtLlamaError } from '../errors.ts'
import type { TrainedParameter } from './train-checkpoint.ts'

type Trained = Pick<Checkpoint, 'path' | 'config' | 'tensors'>

/** What is trained of a model. */
export interface Trains {
  parameters: readonly TrainedParameter[]
  /** The rank of its adapters; 0 where all weights are trained. */
  rank: number
}

/** What training in float32 takes of memory, in bytes. */
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
  { parameters, rank }: Trains,
): TrainingBytes {
  const { hiddenSize, intermediateSize, vocabSize } = config
  const largest = hiddenSize * Math.max(vocabSize, intermediateSize)
  const trained = parameterCount(parameters)
  const adapters = rank === 0 ? 0 : 2 * trained * (Math.ceil(rank / panel) * (panel / rank))
  return {
    fixed: 4 * (parameterCount(tensors) + largest + 4 * trained + adapters),
    ofToken: 4 * (activationsOfToken(config) + (rank === 0 ? 0 : activationsOfAdapters(config, rank))),
  }
}

/** Numbers that are kept of each token of a pack. */
function activationsOfToken(config: LlamaConfig): number {
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim } = config
  const attention = heads * headDim
  const qkv = (heads + 2 * kvHeads) * headDim
  return (layers + 7) * hiddenSize + 6 * intermediateSize + 2 * (qkv + attention)
}

/** Those that adapters add: of their inner products, and of a part of the widest outputs. */
function activationsOfAdapters(config: LlamaConfig, rank: number): number {
  const { intermediateSize, heads, kvHeads, headDim } = config
  const widest = Math.max(heads * headDim, intermediateSize)
  return 9 * rank + widest + Math.max((heads + 2 * kvHeads) * headDim, 2 * intermediateSize)
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
