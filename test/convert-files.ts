// Tests of conversion share these: a tiny GGUF file, converting it, comparing tensors.
import assert from 'node:assert/strict'
import type { Checkpoint } from '../src/checkpoint/checkpoint.ts'
import { type ConvertOptions, convert } from '../src/checkpoint/convert/convert.ts'
import { ggmlName } from '../src/checkpoint/gguf/gguf-llama.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { loadAddon } from '../src/native/addon.ts'
import { newControl } from '../src/native/job.ts'
import type { NativeTensor } from '../src/native/types.ts'
import { type FileTensor, type GgufValue, ggufBytes, tinyMetadata, tinyTensors } from './checkpoint-files.ts'

const metadata: Record<string, GgufValue> = {
  ...tinyMetadata,
  'llama.attention.layer_norm_rms_epsilon': Math.fround(1e-5),
}

/** The tiny LLaMA as a GGUF file, with some tensors changed, in ggml's names. */
export function tinyGguf(
  changes: Record<string, FileTensor> = {},
  more: Record<string, GgufValue> = {},
): Buffer {
  const tensors = new Map([...tinyTensors()].map(([name, tensor]) => [ggmlName(name), tensor]))
  for (const [name, tensor] of Object.entries(changes)) tensors.set(name, tensor)
  return ggufBytes({ ...metadata, ...more }, tensors)
}

export async function convertFile(file: string, out: string, options: ConvertOptions = {}): Promise<void> {
  await convert(await openCheckpoint(file), out, options)
}

/** Holds every tensor of a checkpoint to another's, bit by bit. */
export async function assertSameTensors(from: Checkpoint, to: Checkpoint): Promise<void> {
  assert.deepEqual(
    to.tensors.map(({ name, shape }) => ({ name, shape })),
    from.tensors.map(({ name, shape }) => ({ name, shape })),
  )
  for (const [i, tensor] of from.tensors.entries()) {
    const read = (of: NativeTensor) =>
      loadAddon().readRows(of, from.config.headDim, 0, of.shape[0]!, 'F32', newControl())
    assert.deepEqual(await read(to.tensors[i]!), await read(tensor), tensor.name)
  }
}

export function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer)
}
