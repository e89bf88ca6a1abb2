// The header of a safetensors file: which bytes are which tensor. The tensors themselves are read by native code.
// Format: https://github.com/huggingface/safetensors (8 bytes header length, JSON, data without holes).

import { basename } from 'node:path'
import { cut, shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import { fileSize, openFile, readExactly } from '../files.ts'
import { decodeJson, parseJsonObject } from '../json.ts'
import { objectEntries } from '../json-entries.ts'
import type { StoredTensor } from '../tensors.ts'

/** The format's own limit; a declared length alone must not make anyone allocate terabytes. */
const MAX_HEADER_BYTES = 100_000_000

/** Name, dtype, shape and offsets are some 100 characters; a longer entry is made to become many objects. */
const MAX_ENTRY_CHARACTERS = 4096

/** Weights have two dimensions; a shape of thousands is made to overflow the product. */
const MAX_DIMENSIONS = 8

/** Bytes of an element. F32, F16 and BF16 run; the others may lie in a file as long as no weight needs them. */
const elementBytes: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
  C64: 8,
}

/**
 * Every tensor of the file, offsets absolute. What the header says is held against itself and against the file's size;
 * nothing beyond the header is read.
 * @throws CHECKPOINT_NOT_FOUND, FILE_READ, CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED (a dtype of unknown size)
 */
export async function readSafetensors(file: string): Promise<StoredTensor[]> {
  const where = basename(file)
  const size = await fileSize(file)
  if (size < 8) {
    throw corrupt(
      where,
      `${size} bytes, too short for a safetensors file, which begins with 8 bytes of header length`,
    )
  }
  const handle = await openFile(file)
  try {
    const length = (await readExactly(handle, 0, 8, file)).readBigUInt64LE()
    if (length > size - 8) {
      throw corrupt(
        where,
        `declares a header of ${length} bytes, but only ${size - 8} follow. Is the download complete?`,
      )
    }
    if (length > MAX_HEADER_BYTES) {
      throw corrupt(where, `declares a header of ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed`)
    }
    const dataStart = 8 + Number(length)
    const header = await readExactly(handle, 8, Number(length), file)
    const tensors = parseHeader(header, file, dataStart, size - dataStart)
    checkLayout(tensors, where, dataStart, size)
    return tensors
  } finally {
    await handle.close()
  }
}

function parseHeader(header: Buffer, file: string, dataStart: number, dataBytes: number): StoredTensor[] {
  const where = basename(file)
  const tensors: StoredTensor[] = []
  for (const [name, entry] of objectEntries(decodeJson(header, `${where}, header`), `${where}, header`)) {
    if (name === '__metadata__') continue
    const here = `${where}: ${shown(name)}`
    if (!entry.startsWith('{') || entry.length > MAX_ENTRY_CHARACTERS)
      throw corrupt(here, `is ${cut(entry)}; expected dtype, shape and data_offsets`)
    const { dtype, shape, data_offsets: offsets } = parseJsonObject(entry, here)
    const bytesEach =
      typeof dtype === 'string' && Object.hasOwn(elementBytes, dtype) ? elementBytes[dtype] : undefined
    if (bytesEach === undefined) {
      throw new MtLlamaError(
        'CHECKPOINT_UNSUPPORTED',
        `${here} has dtype ${shown(dtype)}; F32, F16 and BF16 are read`,
      )
    }
    if (!isCounts(shape) || shape.length > MAX_DIMENSIONS) {
      throw corrupt(
        here,
        `has shape ${shown(shape)}; expected at most ${MAX_DIMENSIONS} whole numbers, none negative`,
      )
    }
    if (!isCounts(offsets) || offsets.length !== 2) {
      throw corrupt(here, `has data_offsets ${shown(offsets)}; expected [begin, end], none negative`)
    }
    const [begin, end] = offsets as [number, number]
    if (begin > end)
      throw corrupt(here, `has data_offsets [${begin}, ${end}]: the end lies before the beginning`)
    if (end > dataBytes) {
      throw corrupt(
        here,
        `ends at byte ${end} of the data, of which there are ${dataBytes}. Is the download complete?`,
      )
    }
    // Numbers would be rounded past 2^53, and the product could come out right by accident, so it is a BigInt.
    const bytes = shape.reduce((product, n) => product * BigInt(n), BigInt(bytesEach))
    if (bytes !== BigInt(end - begin)) {
      throw corrupt(
        here,
        `has data_offsets [${begin}, ${end}], ${end - begin} bytes; ${dtype} ${shown(shape)} takes ${bytes}`,
      )
    }
    tensors.push({ name, file, offset: dataStart + begin, bytes: end - begin, type: dtype as string, shape })
  }
  return tensors
}

/** The tensors must tile the data: an overlap shows one tensor's bytes as another's, a hole hides something else. */
function checkLayout(tensors: StoredTensor[], where: string, dataStart: number, size: number): void {
  let end = dataStart
  let before: StoredTensor | undefined
  for (const tensor of tensors.toSorted((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (tensor.offset < end) throw corrupt(where, `${shown(tensor.name)} overlaps ${shown(before?.name)}`)
    if (tensor.offset > end) {
      throw corrupt(where, `${tensor.offset - end} bytes before ${shown(tensor.name)} belong to no tensor`)
    }
    end = tensor.offset + tensor.bytes
    before = tensor
  }
  if (end !== size) throw corrupt(where, `${size - end} bytes after the last tensor belong to none`)
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(n => Number.isSafeInteger(n) && n >= 0)
}

function corrupt(where: string, what: string): MtLlamaError {
  return new MtLlamaError('CHECKPOINT_CORRUPT', `${where}${/^(is|has|ends)/.test(what) ? ' ' : ': '}${what}`)
}
