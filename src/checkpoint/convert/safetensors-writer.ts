// Lays out safetensors files, in shards with an index where a model is large.
import { alignUp, type OutputTensor, outputBytes, placeTensors, type TensorFile } from './tensor-file.ts'

/**
 * model.safetensors, or shards as the Hugging Face hub names them.
 * @param maxShardBytes a shard holds at most so many bytes of tensors, or one tensor
 */
export function safetensorsFiles(tensors: readonly OutputTensor[], maxShardBytes: number): TensorFile[] {
  const shards = cutShards(tensors, maxShardBytes)
  const count = String(shards.length).padStart(5, '0')
  return shards.map((shard, i) => {
    const number = String(i + 1).padStart(5, '0')
    const name = shards.length === 1 ? 'model.safetensors' : `model-${number}-of-${count}.safetensors`
    return placeTensors(name, header(shard), shard, 1)
  })
}

/** The content of model.safetensors.index.json; undefined for a single file, which has none. */
export function safetensorsIndex(files: readonly TensorFile[]): object | undefined {
  if (files.length === 1) return undefined
  const placed = files.flatMap(({ name, tensors }) => tensors.map(({ tensor }) => ({ name, tensor })))
  return {
    metadata: { total_size: placed.reduce((sum, { tensor }) => sum + outputBytes(tensor), 0) },
    weight_map: Object.fromEntries(placed.map(({ name, tensor }) => [tensor.name, name])),
  }
}

function cutShards(tensors: readonly OutputTensor[], maxShardBytes: number): OutputTensor[][] {
  const shards: OutputTensor[][] = []
  let room = 0
  for (const tensor of tensors) {
    const bytes = outputBytes(tensor)
    if (bytes > room || shards.length === 0) {
      shards.push([])
      room = maxShardBytes
    }
    shards.at(-1)!.push(tensor)
    room -= bytes
  }
  return shards
}

function header(tensors: readonly OutputTensor[]): Uint8Array {
  const entries: Record<string, object> = { __metadata__: { format: 'pt' } }
  let end = 0
  for (const tensor of tensors) {
    const begin = end
    end += outputBytes(tensor)
    entries[tensor.name] = { dtype: tensor.type, shape: tensor.shape, data_offsets: [begin, end] }
  }
  // Spaces up to a multiple of 8, so that every tensor can be mapped.
  const json = Buffer.from(JSON.stringify(entries))
  const padded = Buffer.alloc(alignUp(json.length, 8), ' ')
  json.copy(padded)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  return Buffer.concat([length, padded])
}
