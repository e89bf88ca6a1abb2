// A file of tensors to write: a header, then their numbers at known places, row by row.

import { loadAddon } from '../../native/addon.ts'
import { abortableJob, abortedError } from '../../native/job.ts'
import { readableTypes } from '../../native/stored-types.ts'
import type { DType, NativeTensor, StoredType } from '../../native/types.ts'
import { elementCount, plainTypes, storedParts, storedTypes } from '../tensors.ts'

export interface OutputTensor {
  /** The name that the file has for it. */
  name: string
  type: StoredType
  shape: number[]
  /** The tensor that the numbers come from, or their bytes, or what gives the bytes when they are written. */
  source: NativeTensor | Uint8Array | (() => Promise<Uint8Array>)
  /** Rows of a head in llama.cpp's order: the pairs of RoPE side by side (StoredPart.ropeInterleaved). @default false */
  ropeInterleaved?: boolean
}

export interface TensorFile {
  /** The file's name in the folder that is written, or '' where the file is all that is written. */
  name: string
  header: Uint8Array
  /** The place in the file where each tensor begins, in rising order; zeros fill what lies between. */
  tensors: { tensor: OutputTensor; begin: number }[]
  /** The size of the whole file. */
  bytes: number
}

/** Numbers read at a time, or those of one head where they are more. */
const PIECE_VALUES = 4 * 2 ** 20

/** The type to write a tensor in. @param dtype undefined: the tensor's own, bfloat16 of a quantised one */
export function plainType(source: NativeTensor, dtype: DType | undefined): StoredType {
  return plainTypes[dtype ?? storedTypes([source]).autoDType]
}

/** Bytes of a tensor in its type. */
export function outputBytes({ type, shape }: Pick<OutputTensor, 'type' | 'shape'>): number {
  const { blockValues, blockBytes } = readableTypes().get(type)!
  return (elementCount(shape) / blockValues) * blockBytes
}

/** Puts tensors one after another, each at a multiple of `alignment`. */
export function placeTensors(
  name: string,
  header: Uint8Array,
  tensors: readonly OutputTensor[],
  alignment: number,
): TensorFile {
  let bytes = header.length
  const placed = tensors.map(tensor => {
    const begin = alignUp(bytes, alignment)
    bytes = begin + outputBytes(tensor)
    return { tensor, begin }
  })
  return { name, header, tensors: placed, bytes: alignUp(bytes, alignment) }
}

export function alignUp(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment
}

/**
 * The bytes of a file from a position on, in pieces of some rows.
 * @param from a position to which pieces add up: where one of them has ended
 * @throws what reading a weight throws; ABORTED
 */
export async function* fileBytes(
  file: TensorFile,
  headDim: number,
  from: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let at = from
  if (at < file.header.length) {
    yield file.header.subarray(at)
    at = file.header.length
  }
  for (const { tensor, begin } of file.tensors) {
    const end = begin + outputBytes(tensor)
    if (at >= end) continue
    if (at < begin) yield new Uint8Array(begin - at)
    yield* tensorBytes(tensor, headDim, Math.max(at - begin, 0), signal)
    at = end
  }
  if (at < file.bytes) yield new Uint8Array(file.bytes - at)
}

/** The last place at or before a position where a piece ends. */
export function pieceEnd(file: TensorFile, headDim: number, position: number): number {
  const inside = file.tensors.findLast(({ begin }) => begin <= position)
  if (inside === undefined) return 0
  const { tensor, begin } = inside
  const bytes = outputBytes(tensor)
  if (position - begin >= bytes) return position === file.bytes ? position : begin + bytes
  const piece = rowStep(tensor, headDim) * (bytes / tensor.shape[0]!)
  return begin + Math.floor((position - begin) / piece) * piece
}

async function* tensorBytes(
  tensor: OutputTensor,
  headDim: number,
  from: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { source, type, shape, ropeInterleaved } = tensor
  if (source instanceof Uint8Array) return yield source.subarray(from)
  if (typeof source === 'function') return yield (await source()).subarray(from)
  const rows = shape[0]!
  const rowBytes = outputBytes(tensor) / rows
  const step = rowStep(tensor, headDim)
  for (let row = from / rowBytes; row < rows; row += step) {
    if (signal?.aborted) throw abortedError(signal)
    const count = Math.min(step, rows - row)
    const bytes = await abortableJob(signal, control =>
      loadAddon().readRows(source, headDim, row, count, type, control),
    )
    yield ropeInterleaved ? interleave(bytes, rowBytes, headDim) : bytes
  }
}

/** Rows of a piece: whole heads where rows change places, whole vectors. */
function rowStep({ shape, source, ropeInterleaved }: OutputTensor, headDim: number): number {
  const [rows, columns] = [shape[0]!, shape[1]]
  if (columns === undefined || source instanceof Uint8Array || typeof source === 'function') return rows
  const heads = ropeInterleaved || storedParts(source).some(part => part.ropeInterleaved)
  const unit = heads ? headDim : 1
  return Math.min(Math.max(Math.floor(PIECE_VALUES / (columns * unit)), 1) * unit, rows)
}

/** Within each head, row 2 i + j of the result is row i + j * headDim / 2. */
function interleave(bytes: Uint8Array, rowBytes: number, headDim: number): Uint8Array {
  const result = new Uint8Array(bytes.length)
  const half = headDim / 2
  for (let row = 0; row < bytes.length / rowBytes; row++) {
    const inHead = row % headDim
    const from = row - inHead + (inHead >> 1) + (inHead & 1) * half
    result.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes)
  }
  return result
}
