// Lays out a GGUF file, version 3: metadata, and where each tensor lies. gguf.ts is the way back.
import { typeNames } from '../gguf/gguf.ts'
import { alignUp, type OutputTensor, placeTensors, type TensorFile } from './tensor-file.ts'

/**
 * A number is written as uint32, or int32 where it is negative; a number in `float32` as that, a whole one too. Lists
 * are of texts, of booleans, or of the type that a typed array has.
 */
export type GgufValue =
  | string
  | boolean
  | number
  | { float32: number }
  | readonly string[]
  | readonly boolean[]
  | Float32Array
  | Int32Array
  | Uint32Array
  | Uint8Array

/** general.alignment where a file does not say. */
const ALIGNMENT = 32

/** @param tensors under ggml's names; shapes as everywhere here, which the file has the other way round */
export function ggufFile(
  metadata: ReadonlyMap<string, GgufValue>,
  tensors: readonly OutputTensor[],
): TensorFile {
  const infos = placeTensors('', new Uint8Array(), tensors, ALIGNMENT).tensors
  const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.size)]
  for (const [key, value] of metadata) parts.push(text(key), ...valueParts(value))
  for (const { tensor, begin } of infos) {
    const { name, shape, type } = tensor
    parts.push(text(name), u32(shape.length), ...shape.toReversed().map(u64))
    parts.push(u32(typeNames.indexOf(type)), u64(begin))
  }
  const header = Buffer.concat(parts)
  const padded = Buffer.alloc(alignUp(header.length, ALIGNMENT))
  header.copy(padded)
  return placeTensors('', padded, tensors, ALIGNMENT)
}

/** GGUF's ids of the types of values. */
const ids = { uint8: 0, uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 }

function valueParts(value: GgufValue): Buffer[] {
  if (typeof value === 'string') return [u32(ids.string), text(value)]
  if (typeof value === 'boolean') return [u32(ids.bool), Buffer.of(value ? 1 : 0)]
  if (typeof value === 'number')
    return value < 0 ? [u32(ids.int32), i32(value)] : [u32(ids.uint32), u32(value)]
  if ('float32' in value) return [u32(ids.float32), f32(value.float32)]
  const array = (id: number) => [u32(ids.array), u32(id), u64(value.length)]
  if (isBooleans(value)) return [...array(ids.bool), Buffer.from(value.map(Number))]
  if (!ArrayBuffer.isView(value)) return [...array(ids.string), ...value.map(text)]
  const id =
    value instanceof Float32Array
      ? ids.float32
      : value instanceof Int32Array
        ? ids.int32
        : value instanceof Uint32Array
          ? ids.uint32
          : ids.uint8
  return [...array(id), Buffer.from(value.buffer, value.byteOffset, value.byteLength)]
}

function isBooleans(value: object): value is readonly boolean[] {
  return Array.isArray(value) && typeof value[0] === 'boolean'
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
