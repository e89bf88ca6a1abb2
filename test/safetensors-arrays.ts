// Reads a small safetensors file whole, for tests that compare with one.
import { readFileSync } from 'node:fs'

export interface ArrayEntry {
  shape: number[]
  data: Int32Array | Float32Array
}

/** Reads the I32 and F32 tensors of a file by their names. */
export function safetensorsArrays(file: string): Map<string, ArrayEntry> {
  const bytes = readFileSync(file)
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, start).toString('utf8')) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const arrays = new Map<string, ArrayEntry>()
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (dtype !== 'I32' && dtype !== 'F32') continue
    // A copy is aligned, whatever the tensor's offset in the file.
    const { buffer } = new Uint8Array(bytes.subarray(start + data_offsets[0], start + data_offsets[1]))
    arrays.set(name, { shape, data: dtype === 'I32' ? new Int32Array(buffer) : new Float32Array(buffer) })
  }
  return arrays
}
