// The shapes that can be timed without a checkpoint, as models of that size have them.

import type { LlamaConfig } from '../checkpoint/checkpoint.ts'
import type { LlamaSizes } from '../native/types.ts'

export const shapeNames = ['135M', '1.1B', '7B'] as const
export type ShapeName = (typeof shapeNames)[number]

type Sizes = Omit<LlamaSizes, 'contextLength'> & Pick<LlamaConfig, 'tiedHead'>

const sizes: Record<ShapeName, Sizes> = {
  '135M': {
    ...{ hiddenSize: 576, intermediateSize: 1536, layers: 30, heads: 9, kvHeads: 3, headDim: 64 },
    ...{ vocabSize: 49152, tiedHead: true },
  },
  '1.1B': {
    ...{ hiddenSize: 2048, intermediateSize: 5632, layers: 22, heads: 32, kvHeads: 4, headDim: 64 },
    ...{ vocabSize: 32000, tiedHead: false },
  },
  '7B': {
    ...{ hiddenSize: 4096, intermediateSize: 11008, layers: 32, heads: 32, kvHeads: 32, headDim: 128 },
    ...{ vocabSize: 32000, tiedHead: false },
  },
}

export function shapeConfig(name: ShapeName): LlamaConfig {
  return {
    architecture: 'LlamaForCausalLM',
    ...sizes[name],
    ...{ contextLength: 2048, rmsNormEps: 1e-5, ropeTheta: 10_000, ropeScaling: { type: 'default' } },
    ...{
      windows: [],
      headNorms: false,
      qkvBias: false,
      oBias: false,
      mlpBias: false,
      bosTokenId: undefined,
      eosTokenIds: [],
    },
  }
}
