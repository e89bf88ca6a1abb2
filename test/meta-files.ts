// Makes checkpoints in Meta's own layout for tests: a tiny LLaMA, split over ranks.
import type { FileTensor } from './checkpoint-files.ts'
import { stateDict, torchArchive } from './torch-files.ts'

export type Files = Record<string, object | string | Uint8Array>

export const metaParams = { dim: 8, multiple_of: 4, n_heads: 2, n_layers: 1, norm_eps: 1e-5, vocab_size: -1 }

/** A file of torch.save with these shapes. */
export function torchFile(shapes: Record<string, number[]>, type = 'BF16'): Buffer {
  const tensors = new Map(
    Object.entries(shapes).map(([name, shape]): [string, FileTensor] => [name, { type, shape }]),
  )
  const contents = Object.values(shapes).map(shape =>
    Buffer.alloc(shape.reduce((a, b) => a * b, type === 'F32' ? 4 : 2)),
  )
  return torchArchive(stateDict(tensors), Object.fromEntries(contents.map((content, i) => [`${i}`, content])))
}

/** The shapes of each rank of a model with the sizes of `metaParams`. */
export function metaShapes(
  ranks = 1,
  { embedding = 'columns', kvRows = 8 / ranks, vocab = 10 } = {},
): Record<string, number[]> {
  return {
    'tok_embeddings.weight': embedding === 'rows' ? [vocab / ranks, 8] : [vocab, 8 / ranks],
    'layers.0.attention_norm.weight': [8],
    'layers.0.attention.wq.weight': [8 / ranks, 8],
    'layers.0.attention.wk.weight': [kvRows, 8],
    'layers.0.attention.wv.weight': [kvRows, 8],
    'layers.0.attention.wo.weight': [8, 8 / ranks],
    'layers.0.ffn_norm.weight': [8],
    'layers.0.feed_forward.w1.weight': [24 / ranks, 8],
    'layers.0.feed_forward.w2.weight': [8, 24 / ranks],
    'layers.0.feed_forward.w3.weight': [24 / ranks, 8],
    'norm.weight': [8],
    'output.weight': [vocab / ranks, 8],
    'rope.freqs': [2],
  }
}
