// Builds files of torch.save for tests, right or wrong: pickles by hand, and the zip archive or old format around them.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readTorchFile } from '../src/checkpoint/pickle/torch-file.ts'
import type { StoredTensor } from '../src/checkpoint/tensors.ts'
import { type FileTensor, u32, u64, withFolder } from './checkpoint-files.ts'

type Piece = string | number | Uint8Array

/** Opcodes as characters, bytes as numbers, and pieces of pickles, one after another. */
export function bytes(...pieces: Piece[]): Buffer {
  return Buffer.concat(
    pieces.map(piece =>
      typeof piece === 'string'
        ? Buffer.from(piece, 'latin1')
        : typeof piece === 'number'
          ? Buffer.of(piece)
          : piece,
    ),
  )
}

export const text = (value: string) => bytes('X', u32(Buffer.byteLength(value)), Buffer.from(value))
export const integer = (value: number) => bytes('J', u32(value >>> 0))
export const global = (module: string, name: string) => `c${module}\n${name}\n`
export const tuple = (...items: Piece[]) => bytes('(', ...items, 't')
/** A whole pickle of protocol 2. */
export const pickle = (...pieces: Piece[]) => bytes(0x80, 2, ...pieces, '.')
export const dict = (entries: Iterable<readonly [key: string, value: Piece]>) =>
  bytes('}(', ...[...entries].flatMap(([key, value]) => [text(key), value]), 'u')

export interface TensorPickle {
  storage?: string
  key?: string
  /** Of the storage. */
  elements?: number
  offset?: number
  shape?: number[]
  strides?: number[]
  /** More of the storage's id: the old format has one part more. */
  view?: Piece[]
}

/** A tensor as torch pickles it; by default 2 x 3 float32 that fill the storage '0'. */
export function tensorPickle({
  storage = 'FloatStorage',
  key = '0',
  elements = 6,
  offset = 0,
  shape = [2, 3],
  strides = [3, 1],
  view = [],
}: TensorPickle = {}): Buffer {
  const id = tuple(
    ...[text('storage'), global('torch', storage), text(key), text('cpu')],
    ...[integer(elements), ...view],
  )
  const ordered = bytes(global('collections', 'OrderedDict'), ')R')
  return bytes(
    global('torch._utils', '_rebuild_tensor_v2'),
    tuple(
      ...[id, 'Q', integer(offset), tuple(...shape.map(integer)), tuple(...strides.map(integer))],
      ...[0x89, ordered],
    ),
    'R',
  )
}

export interface ZipOptions {
  /** 8 says that entries are deflated. */
  method?: number
  /** 1 says that they are encrypted. */
  flags?: number
  /** Where the bytes of an entry begin, instead of after those before: 64-bit fields then say so. */
  placed?: Record<string, number>
}

/** A zip archive of stored entries, as pieces with their places: together they need not fill the file. */
export function zipPieces(
  entries: readonly (readonly [name: string, content: Uint8Array])[],
  { method = 0, flags = 0, placed = {} }: ZipOptions = {},
): [offset: number, bytes: Buffer][] {
  const pieces: [number, Buffer][] = []
  const directory: Buffer[] = []
  let end = 0
  for (const [name, content] of entries) {
    const fields = (extra: number) => bytes(u16(name.length), u16(extra))
    const kind = bytes(u16(20), u16(flags), u16(method), u32(0), u32(0))
    const start = (placed[name] ?? end + 30 + name.length) - 30 - name.length
    // Sizes are given after the content, as torch gives them: 0 here.
    const local = bytes('PK\x03\x04', kind, u32(0), u32(0), fields(0), name, content)
    pieces.push([start, local])
    const large = start >= 2 ** 32
    directory.push(
      bytes('PK\x01\x02', u16(20), kind, large ? u32(0xffff_ffff) : u32(content.length)),
      bytes(large ? u32(0xffff_ffff) : u32(content.length), fields(large ? 28 : 0), u16(0), u16(0), u16(0)),
      bytes(u32(0), large ? u32(0xffff_ffff) : u32(start), name),
      large ? bytes(u16(1), u16(24), u64(content.length), u64(content.length), u64(start)) : bytes(),
    )
    end = start + local.length
  }
  const central = Buffer.concat(directory)
  const large = end >= 2 ** 32
  const counts = bytes(u64(entries.length), u64(entries.length), u64(central.length), u64(end))
  const tail = bytes(
    large ? bytes('PK\x06\x06', u64(44), u16(45), u16(45), u32(0), u32(0), counts) : bytes(),
    large ? bytes('PK\x06\x07', u32(0), u64(end + central.length), u32(1)) : bytes(),
    bytes('PK\x05\x06', u16(0), u16(0), u16(entries.length), u16(entries.length)),
    bytes(u32(central.length), large ? u32(0xffff_ffff) : u32(end), u16(0)),
  )
  pieces.push([end, bytes(central, tail)])
  return pieces
}

export function zipBytes(
  entries: readonly (readonly [name: string, content: Uint8Array])[],
  options?: ZipOptions,
): Buffer {
  return Buffer.concat(zipPieces(entries, options).map(([, piece]) => piece))
}

/** The archive of torch.save. @param storages by their keys */
export function torchArchive(
  pickled: Uint8Array,
  storages: Record<string, Uint8Array>,
  more: Record<string, string> = { version: '3\n', byteorder: 'little' },
  options?: ZipOptions,
): Buffer {
  return zipBytes(archiveEntries(pickled, storages, more), options)
}

export function archiveEntries(
  pickled: Uint8Array,
  storages: Record<string, Uint8Array>,
  more: Record<string, string> = {},
): [string, Uint8Array][] {
  const contents: [string, Uint8Array][] = [
    ['data.pkl', pickled],
    ...Object.entries(more).map(([name, value]): [string, Uint8Array] => [name, Buffer.from(value)]),
    ...Object.entries(storages).map(([key, value]): [string, Uint8Array] => [`data/${key}`, value]),
  ]
  return contents.map(([name, value]) => [`archive/${name}`, value])
}

/** What begins every file of the format before torch 1.6. */
export const legacyMagic = bytes(0x8a, 10, Buffer.from('6cfc9c46f9206aa85019', 'hex'))

/** The format before torch 1.6. @param storages [key, count of elements, content] */
export function torchLegacy(
  pickled: Uint8Array,
  storages: readonly (readonly [key: string, elements: number, content: Uint8Array])[],
  { magic = legacyMagic, version = 1001, keys = storages.map(([key]) => key) } = {},
): Buffer {
  return Buffer.concat([
    ...[pickle(magic), pickle(integer(version)), pickle('}'), pickled],
    pickle(bytes(']', '(', ...keys.map(text), 'e')),
    ...storages.flatMap(([, elements, content]) => [u64(elements), content]),
  ])
}

const storageNames: Record<string, string> = {
  ...{ F32: 'FloatStorage', F16: 'HalfStorage', BF16: 'BFloat16Storage', I64: 'LongStorage' },
}

/** A state dict of tensors with storages of their own, in order. */
export function stateDict(tensors: ReadonlyMap<string, FileTensor>): Buffer {
  const entries = [...tensors].map(([name, { type, shape }], i): [string, Buffer] => {
    const strides = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1))
    const elements = shape.reduce((a, b) => a * b, 1)
    return [name, tensorPickle({ storage: storageNames[type]!, key: `${i}`, elements, shape, strides })]
  })
  return pickle(dict(entries))
}

function u16(value: number): Buffer {
  return bytes(value & 255, value >> 8)
}

/** Float32 0 to 5. */
export const sixNumbers = Buffer.from(new Float32Array([0, 1, 2, 3, 4, 5]).buffer)

/** An archive whose state dict has this one value, and a storage '0' of six numbers. */
export const holding = (value: Uint8Array | string) =>
  torchArchive(pickle(dict([['w', value]])), { 0: sixNumbers })

/** The old format of the same. */
export const oldHolding = (value: Uint8Array) =>
  torchLegacy(pickle(dict([['w', value]])), [['0', 6, sixNumbers]])

/** What is found in a file of these bytes, model.bin. */
export const readTorchBytes = (content: Uint8Array): Promise<StoredTensor[]> =>
  withFolder(dir => {
    writeFileSync(join(dir, 'model.bin'), content)
    return readTorchFile(join(dir, 'model.bin'))
  })
