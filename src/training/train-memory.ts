// How much memory training takes, and refusing a run that does not fit before it starts.
import type { Checkpoint, LlamaConfig } from '../checkpoint/checkpoint.ts'
import { elementCount, parameterCount } from '../checkpoint/tensors.ts'
import { MtLlamaError } from '../errors.ts'
import { activationBytes } from '../model/memory.ts'
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
   * moments, and a tensor on its way to a checkpoint; of adapters the matrices that run, each transposed too; the logits of
   * a part of the head's rows, and these as a product reads them.
   */
  fixed: number
  /** What the passes over a pack take for each token (struct Activations in native/train/trainer.h), and scoring. */
  ofToken: number
  /** What a layer whose activations are kept takes for each token. */
  keptOfToken: number
}

/** Which activations stay for the way back; others are computed again. 'auto': those of as many layers as half of the free memory holds. */
export const keptActivations = ['auto', 'always', 'never'] as const
export type KeptActivations = (typeof keptActivations)[number]

/** Rows of a matrix that runs come in panels: ranks are as if they were a multiple of so many. */
const panel = 16
/** Maps that are one product, at most: their adapters stand side by side, and each has room for all of their ranks. */
const mapsOfProduct = 3
const productsOfLayer = 4
/** Bytes of the logits that the head computes at a time (native/backend/cpu/backward.cc). */
const logitBytes = 64 * 2 ** 20

export function trainingBytes(
  { config, tensors }: Omit<Trained, 'path'>,
  { parameters, rank, dtype }: Trains,
): TrainingBytes {
  const { hiddenSize, intermediateSize, vocabSize } = config
  const transposed = hiddenSize * Math.max(vocabSize, 2 * intermediateSize)
  const trained = parameterCount(parameters)
  const largest = Math.max(...parameters.map(({ shape }) => elementCount(shape)))
  const adapters =
    rank === 0 ? 0 : 2 * trained * Math.max(mapsOfProduct, Math.ceil(rank / panel) * (panel / rank))
  const numberBytes = dtype === 'float32' ? 4 : 2
  return {
    fixed:
      numberBytes * (parameterCount(tensors) + transposed + adapters) +
      4 * (4 * trained + largest) +
      2 * logitBytes,
    ofToken:
      activationsOfToken(config, numberBytes) +
      // The gradient by an adapter's inner product, and these when the model scores.
      numberBytes * 2 * mapsOfProduct * rank +
      activationBytes(config, 1),
    keptOfToken: activationsOfLayer(config, rank, numberBytes),
  }
}

/** Bytes for each token of a pack, those of one layer among them. @param numberBytes of the numbers that products read */
function activationsOfToken(config: LlamaConfig, numberBytes: number): number {
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim } = config
  const attention = heads * headDim
  const qkv = (heads + 2 * kvHeads) * headDim
  const rounded = numberBytes < 4 ? Math.max(hiddenSize, qkv) : 0
  const read = hiddenSize + 3 * intermediateSize + rounded
  const others = (layers + 5) * hiddenSize + qkv + attention
  // Both sides of a product, packed.
  const packed = 3 * intermediateSize
  return numberBytes * read + 4 * (others + packed) + activationsOfLayer(config, 0, numberBytes)
}

/** Input of the second norm, queries, keys, values, output of attention and its sums, gate, up and adapters' inner products. */
function activationsOfLayer(config: LlamaConfig, rank: number, numberBytes: number): number {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config
  const sums = hiddenSize + (heads + 2 * kvHeads) * headDim + heads + 2 * intermediateSize
  const inner = productsOfLayer * mapsOfProduct * rank
  return numberBytes * (heads * headDim + inner) + 4 * sums
}

/** Bytes that training takes, and how many of these are for activations that are kept. */
export interface TrainingMemory {
  memoryBytes: number
  keptBytes: number
}

/** @param available bytes of the device's memory @throws OUT_OF_MEMORY with the figures */
export function checkTrainingMemory(
  checkpoint: Trained,
  trains: Trains,
  { packTokens, keepActivations }: { packTokens: number; keepActivations: KeptActivations },
  available: number,
): TrainingMemory {
  const { fixed, ofToken, keptOfToken } = trainingBytes(checkpoint, trains)
  const all = checkpoint.config.layers * keptOfToken
  const ofPack = packTokens * (keepActivations === 'always' ? ofToken + all : ofToken)
  const free = available - fixed - ofPack
  if (free >= 0) {
    const keptBytes = {
      always: packTokens * all,
      auto: Math.min(packTokens * all, Math.floor(free / 2)),
      never: 0,
    }[keepActivations]
    return { memoryBytes: fixed + packTokens * ofToken + keptBytes, keptBytes }
  }
  const fits = Math.floor((available - fixed) / (ofPack / packTokens))
  const wayOut =
    fits >= 8
      ? `Packs of ${fits} tokens would fit`
      : `${trains.rank === 0 ? 'LoRA, a' : 'A'} smaller model, or a machine with more memory, would do`
  throw new MtLlamaError(
    'OUT_OF_MEMORY',
    `${checkpoint.path}: training takes ${gib(fixed + ofPack)} (weights, gradients and moments ${gib(fixed)}, packs of ` +
      `${packTokens} tokens ${gib(ofPack)}), but ${gib(available)} are available. ${wayOut}.`,
  )
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`
}
