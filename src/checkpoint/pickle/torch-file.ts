// A state dict in a file of torch.save: which bytes are which tensor. Zip archives, and the format before torch 1.6.
import type { FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { shown } from '../../data/shown.ts'
import { corrupt, unsupported } from '../faults.ts'
import { fileSize, openFile, readExactly } from '../files.ts'
import type { StoredTensor } from '../tensors.ts'
import { type Storage, Storages, Tensor, torchGlobals } from './torch-globals.ts'
import { Dict, kindOf, Unpickler, type Value } from './unpickler.ts'
import type { Place, Zip } from './zip.ts'

/** A tensor is some 120 bytes of a pickle; the largest LLaMA has 1,200. */
const MAX_PICKLE_BYTES = 2 ** 20

/** What every file of the format before torch 1.6 begins with, pickled; and its version. */
const MAGIC = 0x1950a86a20f9469cfc6cn
const VERSION = 1001

/** The keys under which programs that save more than the state dict keep it. */
const WRAPPERS = ['state_dict', 'model', 'module']

/** What is pickled, and where its storages lie. */
interface Saved {
  value: Value
  place: (storage: Storage) => Promise<Place>
}

/**
 * Every tensor of the file. No tensor's bytes are read, and nothing that the file names is run.
 * @throws CHECKPOINT_NOT_FOUND, FILE_READ, CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED
 */
export async function readTorchFile(file: string): Promise<StoredTensor[]> {
  const size = await fileSize(file)
  const handle = await openFile(file)
  try {
    const start = await readExactly(handle, 0, Math.min(4, size), file)
    const saved = start.toString('latin1') === 'PK\x03\x04' ? readArchive : readLegacy
    return await placeTensors(await saved(handle, size, file), file)
  } finally {
    await handle.close()
  }
}

async function readArchive(handle: FileHandle, size: number, file: string): Promise<Saved> {
  const where = basename(file)
  const zip = await (await zipReader(where)).open(handle, size, file)
  const names = zip.names()
  // torch names the folder by the file as it was when it was saved.
  const folder = names[0]?.replace(/\/.*$/, '')
  const pickle = await zip.place(`${folder}/data.pkl`)
  if (pickle === undefined) {
    throw corrupt(where, `a zip archive of ${shown(names)}; torch.save writes ${folder ?? 'FOLDER'}/data.pkl`)
  }
  if (names.includes(`${folder}/constants.pkl`))
    throw unsupported(where, 'a program of TorchScript; expected a state dict. Save it by torch.save')
  const order = await zip.place(`${folder}/byteorder`)
  if (order !== undefined) {
    const word = (await readExactly(handle, order.offset, Math.min(order.bytes, 16), file)).toString('latin1')
    if (word !== 'little') throw unsupported(where, `its byteorder is ${shown(word)}; only "little" is read`)
  }
  if (pickle.bytes > MAX_PICKLE_BYTES) {
    throw unsupported(where, `a pickle of ${pickle.bytes} bytes; at most ${MAX_PICKLE_BYTES} are read`)
  }
  const storages = new Storages()
  const unpickler = new Unpickler(
    await readExactly(handle, pickle.offset, pickle.bytes, file),
    { globals: torchGlobals, persistent: storages.persistent },
    { where, fileOffset: pickle.offset, atEnd: `${folder}/data.pkl ends before its pickle does` },
  )
  const place = async ({ key, elements, elementBytes }: Storage) => {
    const found = await zip.place(`${folder}/data/${key}`)
    if (found === undefined)
      throw corrupt(where, `no entry ${shown(`${folder}/data/${key}`)}, where a tensor lies`)
    if (Math.floor(found.bytes / elementBytes) === elements) return found
    throw corrupt(
      where,
      `${shown(`${folder}/data/${key}`)} has ${found.bytes} bytes; its pickle says ${elements} elements of ${elementBytes}`,
    )
  }
  return { value: unpickler.load(), place }
}

/** Five pickles (magic number, version, sizes of C's types, object, keys of storages), then the storages. */
async function readLegacy(handle: FileHandle, size: number, file: string): Promise<Saved> {
  const where = basename(file)
  const bytes = await readExactly(handle, 0, Math.min(size, MAX_PICKLE_BYTES), file)
  const storages = new Storages()
  const unpickler = new Unpickler(
    bytes,
    { globals: torchGlobals, persistent: storages.persistent },
    {
      where,
      fileOffset: 0,
      atEnd:
        bytes.length < size
          ? `pickles of more than ${MAX_PICKLE_BYTES} bytes; none are that long`
          : 'the file ends before its pickles do. Is the download complete?',
    },
  )
  // A pickle begins with its protocol; one of protocol 1 with the number itself.
  if (!(bytes[0] === 0x80 || bytes[0] === 0x4c) || unpickler.load() !== MAGIC) {
    const begins = shown(bytes.toString('latin1', 0, 8))
    throw corrupt(
      where,
      `begins with ${begins}; torch.save writes a zip archive or, before torch 1.6, its magic number`,
    )
  }
  const version = unpickler.load()
  if (version !== VERSION) throw unsupported(where, `format version ${shown(version)}; ${VERSION} is read`)
  unpickler.load()
  const value = unpickler.load()
  const keys = unpickler.load()
  if (!Array.isArray(keys))
    throw corrupt(where, `the keys of its storages are ${kindOf(keys)}, expected a list`)
  const places = new Map<string, Place>()
  let offset = unpickler.position
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.byKey.get(key) : undefined
    if (storage === undefined || places.has(storage.key))
      throw corrupt(where, `lists the storage ${shown(key)}, ${storage ? 'twice' : 'which no tensor has'}`)
    const bytes = storage.elements * storage.elementBytes
    if (offset + 8 + bytes > size) {
      throw corrupt(
        where,
        `storage ${shown(key)} ends at byte ${offset + 8 + bytes}, the file at ${size}. Is the download complete?`,
      )
    }
    const elements = (await readExactly(handle, offset, 8, file)).readBigUInt64LE()
    if (elements !== BigInt(storage.elements)) {
      throw corrupt(
        where,
        `storage ${shown(key)} has ${elements} elements at byte ${offset}; its pickle says ${storage.elements}`,
      )
    }
    places.set(storage.key, { offset: offset + 8, bytes })
    offset += 8 + bytes
  }
  const place = async ({ key }: Storage) => {
    const found = places.get(key)
    if (found === undefined)
      throw corrupt(where, `storage ${shown(key)}, where a tensor lies, is not in the list of its storages`)
    return found
  }
  return { value, place }
}

async function placeTensors({ value, place }: Saved, file: string): Promise<StoredTensor[]> {
  const places = new Map<Storage, Place>()
  const tensors: StoredTensor[] = []
  for (const [name, tensor] of stateDict(value, basename(file))) {
    const { storage, type, shape, strides, elementBytes } = tensor
    if (!isContiguous(tensor)) {
      const what = `${type} with strides ${shown(strides)}, transposed or cut (save a contiguous() copy)`
      tensors.push({ name, file, offset: 0, bytes: 0, type: what, shape })
      continue
    }
    const found = places.get(storage) ?? (await place(storage))
    places.set(storage, found)
    const offset = found.offset + tensor.offset * elementBytes
    const bytes = shape.reduce((product, n) => product * n, elementBytes)
    tensors.push({ name, file, offset, bytes, type, shape })
  }
  return tensors
}

/** The tensors of a state dict, or of the one in a dict that a training program saved. */
function* stateDict(value: Value, where: string): Generator<[name: string, tensor: Tensor]> {
  let dict = value
  const inner = (outer: Dict) =>
    WRAPPERS.map(name => outer.entries.get(name)).find(found => found instanceof Dict)
  // A dict may hold itself: two steps are what programs need.
  for (let step = 0; step < 2 && dict instanceof Dict; step++) dict = inner(dict) ?? dict
  if (!(dict instanceof Dict))
    throw unsupported(
      where,
      `holds ${kindOf(dict)}; expected a state dict, as of torch.save(model.state_dict(), FILE)`,
    )
  let count = 0
  for (const [name, entry] of dict.entries) {
    if (typeof name !== 'string' || !(entry instanceof Tensor)) continue
    count++
    yield [name, entry]
  }
  if (count > 0) return
  const names = shown([...dict.entries.keys()].filter(name => typeof name === 'string'))
  throw unsupported(
    where,
    `a dict of ${names} without tensors; expected a state dict, by itself or in ${WRAPPERS.join(', ')}`,
  )
}

/** Row-major without holes: the step along a dimension is the product of those after it. */
function isContiguous({ shape, strides }: Tensor): boolean {
  let step = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== step) return shape.includes(0)
    step *= shape[i]!
  }
  return true
}

/**
 * The zip library is loaded once it is needed: in a bundle of ES modules it does not load, which should hinder nobody who
 * reads other files.
 */
async function zipReader(where: string): Promise<typeof Zip> {
  try {
    return (await import('./zip.ts')).Zip
  } catch (error) {
    throw unsupported(
      where,
      `the reader of zip archives does not load (${(error as Error).message}). In a bundle, mark mt-llama as external`,
    )
  }
}
