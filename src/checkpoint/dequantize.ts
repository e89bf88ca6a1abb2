// Stored rows as float32, and float32 as the dtypes a checkpoint is written in.
import { MtLlamaError } from '../errors.ts'
import type { DType, StoredType } from '../native/types.ts'

interface Codec {
  /** Elements of a block, and its bytes. */
  elements: number
  bytes: number
  /** Reads the block at `at` into y[to ...]. */
  read: (view: DataView, at: number, y: Float32Array, to: number) => void
}

/**
 * ggml's blocks, little endian: d is the scale, m the minimum, both F16; in 4-bit blocks the low halves of the 16 bytes
 * are elements 0 to 15, the high halves 16 to 31.
 * Source of the layout: https://github.com/ggml-org/ggml, ggml-common.h and dequantize_row_* in ggml-quants.c
 */
const codecs: Readonly<Record<StoredType, Codec>> = {
  F32: { elements: 1, bytes: 4, read: (view, at, y, to) => (y[to] = view.getFloat32(at, true)) },
  F16: { elements: 1, bytes: 2, read: (view, at, y, to) => (y[to] = halfToFloat(view.getUint16(at, true))) },
  BF16: {
    elements: 1,
    bytes: 2,
    read: (view, at, y, to) => (y[to] = bfloatToFloat(view.getUint16(at, true))),
  },
  // y = d q
  Q8_0: {
    elements: 32,
    bytes: 34,
    read: (view, at, y, to) => {
      const d = halfToFloat(view.getUint16(at, true))
      for (let i = 0; i < 32; i++) y[to + i] = d * view.getInt8(at + 2 + i)
    },
  },
  // y = d (q - 8)
  Q4_0: {
    elements: 32,
    bytes: 18,
    read: (view, at, y, to) => {
      const d = halfToFloat(view.getUint16(at, true))
      for (let i = 0; i < 16; i++) {
        const pair = view.getUint8(at + 2 + i)
        y[to + i] = d * ((pair & 15) - 8)
        y[to + i + 16] = d * ((pair >> 4) - 8)
      }
    },
  },
  // y = d q + m
  Q4_1: {
    elements: 32,
    bytes: 20,
    read: (view, at, y, to) => {
      const d = halfToFloat(view.getUint16(at, true))
      const m = halfToFloat(view.getUint16(at + 2, true))
      for (let i = 0; i < 16; i++) {
        const pair = view.getUint8(at + 4 + i)
        y[to + i] = Math.fround(d * (pair & 15)) + m
        y[to + i + 16] = Math.fround(d * (pair >> 4)) + m
      }
    },
  },
}

/** Bytes that `elements` of a type take; whole blocks. */
export function storedBytes(type: StoredType, elements: number): number {
  const codec = codecOf(type)
  return (elements / codec.elements) * codec.bytes
}

/** Whether a type packs several elements into a block. */
export function isQuantised(type: StoredType): boolean {
  return codecOf(type).elements > 1
}

function codecOf(type: StoredType): Codec {
  const codec = codecs[type]
  if (codec !== undefined) return codec
  const known = Object.keys(codecs).join(', ')
  throw new MtLlamaError(
    'CHECKPOINT_UNSUPPORTED',
    `tensors stored as ${type} are not converted; ${known} are`,
  )
}

/** Exactly the values that the bytes stand for. */
export function toFloat32(type: StoredType, bytes: Uint8Array): Float32Array {
  const codec = codecOf(type)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const y = new Float32Array((bytes.length / codec.bytes) * codec.elements)
  for (let at = 0, to = 0; at < bytes.length; at += codec.bytes, to += codec.elements)
    codec.read(view, at, y, to)
  return y
}

/** Little-endian bytes of a dtype, rounded to nearest, ties to even; past float16's 65504 it becomes an infinity. */
export function fromFloat32(dtype: DType, values: Float32Array): Uint8Array {
  if (dtype === 'float32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(values.length)
  const convert = dtype === 'bfloat16' ? bitsToBfloat : bitsToHalf
  for (let i = 0; i < bits.length; i++) out[i] = convert(bits[i]!)
  return new Uint8Array(out.buffer)
}

const scratch = new DataView(new ArrayBuffer(4))

function bfloatToFloat(bits: number): number {
  scratch.setUint32(0, bits << 16)
  return scratch.getFloat32(0)
}

function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}

function bitsToBfloat(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40 // a NaN stays one
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

function bitsToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const size = bits & 0x7fffffff
  if (size > 0x7f800000) return sign | 0x7e00
  if (size >= 0x477ff000) return sign | 0x7c00 // from 65520 on, halfway to 65536
  if (size >= 0x38800000) return sign | roundShift(size - 0x38000000, 13) // normal: the exponent's bias is 127 - 15 less
  const shift = 126 - (size >>> 23) // subnormal, in units of 2^-24
  return shift > 24 ? sign : sign | roundShift((size & 0x7fffff) | 0x800000, shift)
}

/** n / 2^shift, to nearest, ties to even. */
function roundShift(n: number, shift: number): number {
  const whole = n >>> shift
  const rest = n & (2 ** shift - 1)
  const half = 2 ** (shift - 1)
  return rest > half || (rest === half && (whole & 1) === 1) ? whole + 1 : whole
}
