// Writes safetensors files of tensors that come piece by piece, in shards with an index where they are large.
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { writeNewFile } from '../files/output.ts'
import type { DType } from '../native/types.ts'

export interface OutputTensor {
  name: string
  dtype: DType
  shape: number[]
}

/** What a file calls the numbers of a dtype. */
export const fileTypes: Readonly<Record<DType, { name: string; bytes: number }>> = {
  float32: { name: 'F32', bytes: 4 },
  bfloat16: { name: 'BF16', bytes: 2 },
  float16: { name: 'F16', bytes: 2 },
}

export function outputBytes({ dtype, shape }: OutputTensor): number {
  return shape.reduce((a, b) => a * b, fileTypes[dtype].bytes)
}

/**
 * Writes model.safetensors, or shards and model.safetensors.index.json as the Hugging Face hub names them.
 * @param maxShardBytes a shard holds at most so many bytes of tensors, or one tensor
 * @param pieces the bytes of a tensor, in order
 */
export async function writeSafetensors<T extends OutputTensor>(
  dir: string,
  tensors: readonly T[],
  maxShardBytes: number,
  pieces: (tensor: T) => AsyncIterable<Uint8Array>,
): Promise<void> {
  const shards = cutShards(tensors, maxShardBytes)
  const weightMap: Record<string, string> = {}
  const count = String(shards.length).padStart(5, '0')
  for (const [i, shard] of shards.entries()) {
    const number = String(i + 1).padStart(5, '0')
    const file = shards.length === 1 ? 'model.safetensors' : `model-${number}-of-${count}.safetensors`
    for (const { name } of shard) weightMap[name] = file
    await writeFileOf(join(dir, file), shard, pieces)
  }
  if (shards.length === 1) return
  const totalSize = tensors.reduce((sum, tensor) => sum + outputBytes(tensor), 0)
  const index = { metadata: { total_size: totalSize }, weight_map: weightMap }
  await writeNewFile(join(dir, 'model.safetensors.index.json'), `${JSON.stringify(index, null, 2)}\n`)
}

function cutShards<T extends OutputTensor>(tensors: readonly T[], maxShardBytes: number): T[][] {
  const shards: T[][] = []
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

async function writeFileOf<T extends OutputTensor>(
  file: string,
  tensors: readonly T[],
  pieces: (tensor: T) => AsyncIterable<Uint8Array>,
): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await writeAll(handle, header(tensors))
    for (const tensor of tensors) for await (const piece of pieces(tensor)) await writeAll(handle, piece)
  } finally {
    await handle.close()
  }
}

function header(tensors: readonly OutputTensor[]): Uint8Array {
  const entries: Record<string, object> = { __metadata__: { format: 'pt' } }
  let end = 0
  for (const tensor of tensors) {
    const begin = end
    end += outputBytes(tensor)
    entries[tensor.name] = {
      dtype: fileTypes[tensor.dtype].name,
      shape: tensor.shape,
      data_offsets: [begin, end],
    }
  }
  // Spaces up to a multiple of 8, so that every tensor can be mapped.
  const json = Buffer.from(JSON.stringify(entries))
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, ' ')
  json.copy(padded)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  return Buffer.concat([length, padded])
}

/** A single write may be cut short. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done)).bytesWritten
}
