// GGUF models in several files, as llama.cpp's gguf-split and gguf-py write them: NAME-00001-of-00003.gguf and so on. The
// first one has the model's metadata; each says by split.no, counted from 0, and split.count which it is.

import { basename, dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import { corrupt } from '../faults.ts'
import { Fields } from '../fields.ts'
import { folderEntries } from '../files.ts'
import type { StoredTensor } from '../tensors.ts'
import { type Gguf, readGguf } from './gguf.ts'

interface PartName {
  prefix: string
  /** Counted from 1. */
  number: number
  count: number
}

/** What a part may say otherwise than the first one. */
const ownKeys = new Set(['split.no', 'general.alignment'])

/**
 * The GGUF models among the names of a folder: files, and of models in parts the first part that is there.
 */
export function ggufModels(entries: readonly string[]): string[] {
  const models = new Map<string, string>()
  for (const name of entries.toSorted()) {
    if (!name.toLowerCase().endsWith('.gguf')) continue
    const part = partOf(name)
    const model = part === undefined ? name : `${part.prefix} ${part.count}`
    if (!models.has(model)) models.set(model, name)
  }
  return [...models.values()]
}

/** Of the names, those of the model that a file is, or is a part of, in order. */
export function ggufParts(names: readonly string[], file: string): string[] {
  const part = partOf(file)
  if (part === undefined) return [file]
  const isOfModel = (other: PartName | undefined) =>
    other?.prefix === part.prefix && other.count === part.count
  return names.filter(name => isOfModel(partOf(name))).toSorted()
}

/**
 * The model that a file is, or is a part of: the first part's metadata, and the tensors of all.
 * @throws what readGguf() throws; CHECKPOINT_NOT_FOUND for a part that is missing, CHECKPOINT_CORRUPT for parts that are
 *   not of one model
 */
export async function readGgufModel(file: string): Promise<Gguf & { files: string[] }> {
  const part = partOf(basename(file))
  if (part !== undefined) return readParts(dirname(file), part, basename(file))
  const gguf = await readGguf(file)
  const count = gguf.metadata.get('split.count') ?? 1
  if (typeof count === 'number' && count <= 1) return { ...gguf, files: [file] }
  throw fieldsOf(gguf, file).corrupt(
    'split.count',
    'parts are found by their names, NAME-00001-of-00003.gguf; give the file its name back',
  )
}

/** What a name says; undefined for a file that is no part, or the only one. */
function partOf(name: string): PartName | undefined {
  const [, prefix, number, count] = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i.exec(name) ?? []
  if (prefix === undefined || Number(count) <= 1) return undefined
  return { prefix, number: Number(number), count: Number(count) }
}

async function readParts(folder: string, { prefix, count }: PartName, given: string) {
  const files = (await partNames(folder, prefix, count, given)).map(name => join(folder, name))
  const tensors = new Map<string, StoredTensor>()
  let first: Gguf | undefined
  for (const [index, file] of files.entries()) {
    const part = await readGguf(file)
    first ??= part
    checkPart(part, file, index, first)
    if (index === 0 && part.metadata.get('split.count') !== count) {
      throw fieldsOf(part, file).corrupt('split.count', `its name makes it ${count}`)
    }
    for (const tensor of part.tensors) {
      const other = tensors.get(tensor.name)
      if (other !== undefined) {
        throw corrupt(basename(file), `the tensor ${shown(tensor.name)} is in ${basename(other.file)} too`)
      }
      tensors.set(tensor.name, tensor)
    }
  }
  const { metadata } = first!
  if (metadata.get('split.tensors.count') !== tensors.size) {
    const why = `the ${count} parts hold ${tensors.size} tensors`
    throw fieldsOf(first!, files[0]!).corrupt('split.tensors.count', why)
  }
  return { metadata, tensors: [...tensors.values()], files }
}

/** The names of all parts in their order, each of which is there. */
async function partNames(folder: string, prefix: string, count: number, given: string): Promise<string[]> {
  const found = new Map<number, string>()
  for (const name of await folderEntries(folder)) {
    const part = partOf(name)
    if (part?.prefix !== prefix || part.count !== count) continue
    if (part.number < 1 || part.number > count) {
      throw corrupt(
        name,
        `beside ${given}, whose model has parts 1 to ${count}; one of them has a wrong name`,
      )
    }
    found.set(part.number, name)
  }
  return Array.from({ length: count }, (_, index) => {
    const name = found.get(index + 1)
    if (name !== undefined) return name
    const missing = `${prefix}-${fiveDigits(index + 1)}-of-${fiveDigits(count)}.gguf`
    throw new MtLlamaError(
      'CHECKPOINT_NOT_FOUND',
      `${join(folder, missing)}: no such file, but ${given} is one of ${count} parts. Is the download complete?`,
    )
  })
}

/** @param index counted from 0 */
function checkPart(part: Gguf, file: string, index: number, first: Gguf): void {
  if (part.metadata.get('split.no') !== index) {
    throw fieldsOf(part, file).corrupt('split.no', `its name makes it ${index}`)
  }
  for (const [key, value] of part.metadata) {
    if (ownKeys.has(key) || !first.metadata.has(key)) continue
    const expected = first.metadata.get(key)
    if (isDeepStrictEqual(value, expected)) continue
    throw fieldsOf(part, file).corrupt(key, `the first part has ${shown(expected)}. Is it another model's?`)
  }
}

function fieldsOf({ metadata }: Gguf, file: string): Fields {
  return new Fields(Object.fromEntries(metadata), basename(file))
}

function fiveDigits(number: number): string {
  return String(number).padStart(5, '0')
}
