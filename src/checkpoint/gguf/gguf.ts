// The container of a GGUF file: metadata, and which bytes are which tensor. What they mean is gguf-llama.ts.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little endian.

import { basename } from 'node:path'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import { readableTypes } from '../../native/stored-types.ts'
import { fileSize, openFile, readExactly } from '../files.ts'
import type { StoredTensor } from '../tensors.ts'

/**
 * Arrays of numbers are typed arrays (bool: Uint8Array), whole numbers past 2^53 bigints, all other numbers numbers.
 */
export type GgufMetadata = Map<string, unknown>

export interface Gguf {
  metadata: GgufMetadata
  /** Under ggml's names, shapes row-major as everywhere here (the file has them the other way round). Only of the types
   * that run is it known where they lie. */
  tensors: StoredTensor[]
}

/** Vocabularies of 256,000 tokens take some 12 MB. A header beyond this is made to fill the memory. */
const MAX_HEADER_BYTES = 256 * 2 ** 20

/** Enough for most headers at once. */
const FIRST_READ_BYTES = 4 * 2 ** 20

/** ggml's GGML_MAX_DIMS. */
const MAX_DIMENSIONS = 4

/** Padding between tensors; more than a page of it has no use and could push an offset past the file. */
const MAX_ALIGNMENT = 65_536

/** The shortest entries there can be: an empty key and a one-byte value; an empty name, one dimension. */
const MIN_METADATA_BYTES = 8 + 4 + 1
const MIN_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8

/** The names of types by ggml's ids. The addon says what a type is made of, and whether it is read. */
export const typeNames =
  `F32 F16 Q4_0 Q4_1 Q4_2 Q4_3 Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS IQ3_XXS IQ1_S IQ4_NL
  IQ3_S IQ2_S IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16 Q4_0_4_4 Q4_0_4_8 Q4_0_8_8 TQ1_0 TQ2_0 IQ4_NL_4_4 IQ4_NL_4_8
  IQ4_NL_8_8 MXFP4 NVFP4 Q1_0`.split(/\s+/)

/** @throws CHECKPOINT_NOT_FOUND, FILE_READ, CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED (version, byte order) */
export async function readGguf(file: string): Promise<Gguf> {
  const size = await fileSize(file)
  const handle = await openFile(file)
  try {
    // The header does not say how long it is: parse what is there, and again with twice as much while it runs out.
    for (let length = FIRST_READ_BYTES; ; length *= 2) {
      const bytes = await readExactly(handle, 0, Math.min(length, size), file)
      const reader = new Reader(bytes, size, basename(file))
      try {
        return parse(reader, file)
      } catch (error) {
        if (error !== moreNeeded) throw error
        if (length >= MAX_HEADER_BYTES) {
          throw reader.corrupt(`a header longer than ${MAX_HEADER_BYTES} bytes; none is that long`)
        }
      }
    }
  } finally {
    await handle.close()
  }
}

function parse(reader: Reader, file: string): Gguf {
  readMagic(reader)
  const tensorCount = reader.count('tensors', MIN_TENSOR_BYTES)
  const metadataCount = reader.count('metadata entries', MIN_METADATA_BYTES)
  const metadata: GgufMetadata = new Map()
  for (let i = 0; i < metadataCount; i++) {
    const key = reader.string(`the key of metadata entry ${i + 1} of ${metadataCount}`)
    if (metadata.has(key)) throw reader.corrupt(`the key ${shown(key)} comes twice`)
    metadata.set(key, reader.value(reader.u32(`the type of ${shown(key)}`), shown(key)))
  }
  const infos = new Map<string, StoredTensor>()
  for (let i = 0; i < tensorCount; i++) {
    const info = readTensorInfo(reader, file, `tensor ${i + 1} of ${tensorCount}`)
    if (infos.has(info.name)) throw reader.corrupt(`the tensor ${shown(info.name)} comes twice`)
    infos.set(info.name, info)
  }
  const tensors = [...infos.values()]
  placeTensors(reader, tensors, alignmentOf(reader, metadata))
  return { metadata, tensors }
}

function readMagic(reader: Reader): void {
  const magic = reader.bytes(4, 'the magic "GGUF"').toString('latin1')
  if (magic !== 'GGUF') throw reader.corrupt(`begins with ${shown(magic)}, not "GGUF"; it is no GGUF file`)
  const version = reader.u32('the version')
  if (version === 2 || version === 3) return
  if ((version & 0xffff) === 0 && version !== 0)
    throw reader.unsupported('big-endian; only little-endian GGUF is read')
  throw reader.unsupported(`GGUF version ${version}; versions 2 and 3 are read`)
}

/**
 * The tensor's place is relative to the data section until placeTensors() knows where that begins. Of a type that does
 * not run nothing is read: it is an error only where a model needs the tensor.
 */
function readTensorInfo(reader: Reader, file: string, which: string): StoredTensor {
  const name = reader.string(`the name of ${which}`)
  const here = shown(name)
  const dimensions = reader.u32(`the dimensions of ${here}`)
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw reader.corrupt(`${here} has ${dimensions} dimensions; expected 1 to ${MAX_DIMENSIONS}`)
  }
  const shape = Array.from({ length: dimensions }, () => reader.u64(`the shape of ${here}`)).reverse()
  const id = reader.u32(`the type of ${here}`)
  const type = typeNames[id] ?? `ggml type ${id}`
  const offset = reader.u64(`the offset of ${here}`)
  const block = readableTypes().get(type)
  if (block === undefined) return { name, file, offset: 0, bytes: 0, type, shape: shape.map(Number) }
  const row = shape.at(-1)!
  if (row % BigInt(block.blockValues) !== 0n) {
    throw reader.corrupt(`${here} has rows of ${row} elements; ${type} packs ${block.blockValues} at a time`)
  }
  const elements = shape.reduce((product, n) => product * n, 1n)
  const bytes = (elements / BigInt(block.blockValues)) * BigInt(block.blockBytes)
  if (bytes > reader.size || offset > reader.size) {
    throw reader.corrupt(
      `${here} is said to be ${type} [${shape.join(', ')}], ${bytes} bytes, at ${offset} of the data; ` +
        `the whole file has ${reader.size}. Is the download complete?`,
    )
  }
  return { name, file, offset: Number(offset), bytes: Number(bytes), type, shape: shape.map(Number) }
}

function alignmentOf(reader: Reader, metadata: GgufMetadata): number {
  const value = metadata.get('general.alignment') ?? 32
  if (typeof value === 'number' && value > 0 && value <= MAX_ALIGNMENT && (value & (value - 1)) === 0)
    return value
  throw reader.corrupt(
    `"general.alignment" is ${shown(value)}; expected a power of two up to ${MAX_ALIGNMENT}`,
  )
}

/** Makes offsets absolute. Tensors may not overlap: one's bytes would be shown as another's. */
function placeTensors(reader: Reader, tensors: StoredTensor[], alignment: number): void {
  const dataStart = Math.ceil(reader.position / alignment) * alignment
  let end = dataStart
  let before = ''
  const placed = tensors.filter(tensor => readableTypes().has(tensor.type))
  for (const tensor of placed.toSorted((a, b) => a.offset - b.offset)) {
    if (tensor.offset % alignment !== 0) {
      throw reader.corrupt(
        `${shown(tensor.name)} is at ${tensor.offset} of the data, no multiple of ${alignment}`,
      )
    }
    tensor.offset += dataStart
    if (tensor.offset < end) throw reader.corrupt(`${shown(tensor.name)} overlaps ${shown(before)}`)
    end = tensor.offset + tensor.bytes
    before = tensor.name
    if (end > reader.size) {
      throw reader.corrupt(
        `${shown(tensor.name)} ends at byte ${end}, the file at ${reader.size}. Is the download complete?`,
      )
    }
  }
}

/** Thrown by a Reader at the end of the bytes it has, where the file has more. */
const moreNeeded = Symbol('more of the header is needed')

/** Walks over the header; every declared length is held against the file's size before anything is made of it. */
class Reader {
  readonly size: number
  position = 0
  private readonly buffer: Buffer
  private readonly where: string

  /** @param buffer the beginning of the file @param size bytes of the whole file */
  constructor(buffer: Buffer, size: number, where: string) {
    this.buffer = buffer
    this.size = size
    this.where = where
  }

  /** Moves past `length` bytes. @returns where they began */
  private skip(length: number | bigint, what: string): number {
    const left = this.size - this.position
    if (length > left) {
      throw this.corrupt(
        `${what} takes ${length} bytes, but only ${left} are left. Is the download complete?`,
      )
    }
    const start = this.position
    if (start + Number(length) > this.buffer.length) throw moreNeeded
    this.position += Number(length)
    return start
  }

  bytes(length: number | bigint, what: string): Buffer {
    const start = this.skip(length, what)
    return this.buffer.subarray(start, this.position)
  }

  u32(what: string): number {
    return this.buffer.readUInt32LE(this.skip(4, what))
  }

  u64(what: string): bigint {
    return this.buffer.readBigUInt64LE(this.skip(8, what))
  }

  string(what: string): string {
    // A vocabulary has hundreds of thousands: no bigint and no message is made for a sane length.
    const at = this.skip(8, what)
    const short = this.buffer.readUInt32LE(at + 4) === 0
    const start = this.skip(short ? this.buffer.readUInt32LE(at) : this.buffer.readBigUInt64LE(at), what)
    return this.buffer.toString('utf8', start, this.position)
  }

  /** A number of entries, each at least `minBytes` long. */
  count(what: string, minBytes: number): number {
    const count = this.u64(`the number of ${what}`)
    const most = Math.floor((this.size - this.position) / minBytes)
    if (count > most) {
      throw this.corrupt(`declares ${count} ${what}; its ${this.size} bytes have room for ${most}`)
    }
    return Number(count)
  }

  /** @param type GGUF's id of the value's type @param what for messages, e.g. the key in quotes */
  value(type: number, what: string): unknown {
    if (type === STRING) return this.string(what)
    if (type === ARRAY) return this.array(what)
    const scalar = scalars[type]
    if (scalar === undefined) throw this.corrupt(`${what} has the value type ${type}, which there is not`)
    const value = scalar.read(this.buffer, this.skip(scalar.bytes, what))
    return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value
  }

  private array(what: string): unknown {
    const type = this.u32(`the type of ${what}`)
    // ggml reads none either, and an empty array of 12 bytes would become an object of hundreds.
    if (type === ARRAY)
      throw this.corrupt(`${what} is an array of arrays; expected one of numbers or strings`)
    const scalar = scalars[type]
    const count = this.count(`elements of ${what}`, scalar?.bytes ?? 8)
    if (scalar !== undefined) {
      const bytes = this.bytes(count * scalar.bytes, what)
      return new scalar.Array(
        bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
      )
    }
    if (type !== STRING) throw this.corrupt(`${what} has elements of type ${type}, which there is not`)
    return Array.from({ length: count }, () => this.string(what))
  }

  corrupt(what: string): MtLlamaError {
    return new MtLlamaError('CHECKPOINT_CORRUPT', `${this.where}: ${what}`)
  }

  unsupported(what: string): MtLlamaError {
    return new MtLlamaError('CHECKPOINT_UNSUPPORTED', `${this.where}: ${what}`)
  }
}

interface Scalar {
  bytes: number
  read: (buffer: Buffer, at: number) => number | bigint | boolean
  Array: new (bytes: ArrayBuffer) => ArrayLike<number | bigint>
}

/** GGUF's ids of the values that are no scalars. */
const STRING = 8
const ARRAY = 9

/** The types of metadata by GGUF's ids. */
const scalars: Readonly<Record<number, Scalar>> = {
  0: { bytes: 1, read: (b, at) => b.readUInt8(at), Array: Uint8Array },
  1: { bytes: 1, read: (b, at) => b.readInt8(at), Array: Int8Array },
  2: { bytes: 2, read: (b, at) => b.readUInt16LE(at), Array: Uint16Array },
  3: { bytes: 2, read: (b, at) => b.readInt16LE(at), Array: Int16Array },
  4: { bytes: 4, read: (b, at) => b.readUInt32LE(at), Array: Uint32Array },
  5: { bytes: 4, read: (b, at) => b.readInt32LE(at), Array: Int32Array },
  6: { bytes: 4, read: (b, at) => b.readFloatLE(at), Array: Float32Array },
  7: { bytes: 1, read: (b, at) => b.readUInt8(at) !== 0, Array: Uint8Array },
  10: { bytes: 8, read: (b, at) => b.readBigUInt64LE(at), Array: BigUint64Array },
  11: { bytes: 8, read: (b, at) => b.readBigInt64LE(at), Array: BigInt64Array },
  12: { bytes: 8, read: (b, at) => b.readDoubleLE(at), Array: Float64Array },
}
