// Reads the JSON files of a checkpoint, refusing what JSON.parse would let pass: bad UTF-8, duplicate keys, abysses.
import { basename } from 'node:path'
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { fileSize, openFile } from './files.ts'

/** A config is kilobytes, tokenizer_config.json of the largest vocabularies a few MiB. A file beyond this is not one. */
const MAX_OBJECT_BYTES = 16 * 2 ** 20

/** The index of a checkpoint with 150,000 tensors has 15 MiB. */
const MAX_TEXT_BYTES = 64 * 2 ** 20

/** An empty list is 3 characters of a file and 50 bytes of memory: real files have one list or object in 30 at the most. */
const MIN_CHARACTERS_PER_NEST = 12
const FREE_NESTS = 1000

/** No file of a checkpoint nests beyond 8; a nest of thousands is made to overflow a parser's stack. */
export const MAX_DEPTH = 64

export type JsonObject = { [key: string]: unknown }

/** The object a JSON file holds. @throws CHECKPOINT_NOT_FOUND, FILE_READ, CHECKPOINT_CORRUPT */
export async function readJsonObject(file: string): Promise<JsonObject> {
  return parseJsonObject(await readJsonText(file, MAX_OBJECT_BYTES), basename(file))
}

/** The text of a JSON file. @throws CHECKPOINT_NOT_FOUND, FILE_READ, CHECKPOINT_CORRUPT (its size, or no UTF-8) */
export async function readJsonText(file: string, maxBytes = MAX_TEXT_BYTES): Promise<string> {
  const size = await fileSize(file)
  if (size > maxBytes) {
    throw new MtLlamaError(
      'CHECKPOINT_CORRUPT',
      `${basename(file)}: ${size} bytes; at most ${maxBytes} are read of such a file`,
    )
  }
  const handle = await openFile(file)
  try {
    return decodeJson(await handle.readFile(), basename(file))
  } finally {
    await handle.close()
  }
}

/** @param where begins the message of an error @throws CHECKPOINT_CORRUPT for bytes that are no UTF-8 */
export function decodeJson(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new MtLlamaError('CHECKPOINT_CORRUPT', `${where}: not valid JSON (${(error as Error).message})`)
  }
}

/**
 * Parses an object strictly: a key may come once in an object, nesting is limited.
 * @param where begins the message of an error
 */
export function parseJsonObject(text: string, where: string): JsonObject {
  let value: unknown
  try {
    checkStructure(text, where)
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof MtLlamaError) throw error
    throw new MtLlamaError('CHECKPOINT_CORRUPT', `${where}: not valid JSON (${(error as Error).message})`)
  }
  if (!isRecord(value)) {
    throw new MtLlamaError('CHECKPOINT_CORRUPT', `${where}: ${shown(value)}, expected an object`)
  }
  return value
}

/**
 * Limits nesting and the number of lists and objects, and refuses a key that comes twice: JSON.parse keeps the last of the
 * two, other parsers the first, so that whoever checks one may load the other. One pass over the text, before anything is
 * built from it.
 */
function checkStructure(text: string, where: string): void {
  const keys: (Set<string> | undefined)[] = [] // one entry a level: the keys of an object, undefined for an array
  const maxNests = FREE_NESTS + text.length / MIN_CHARACTERS_PER_NEST
  let nests = 0
  let last = '' // the latest string literal: a key if a colon follows
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '"') {
      const start = i++
      while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1
      last = text.slice(start, i + 1)
    } else if (c === '{' || c === '[') {
      keys.push(c === '{' ? new Set() : undefined)
      if (++nests > maxNests) {
        throw new MtLlamaError(
          'CHECKPOINT_CORRUPT',
          `${where}: more than ${Math.floor(maxNests)} lists and objects in ${text.length} characters`,
        )
      }
      if (keys.length > MAX_DEPTH) {
        throw new MtLlamaError('CHECKPOINT_CORRUPT', `${where}: nested deeper than ${MAX_DEPTH} levels`)
      }
    } else if (c === '}' || c === ']') {
      keys.pop()
    } else if (c === ':') {
      const key = JSON.parse(last) as string
      const seen = keys.at(-1)
      if (seen?.has(key))
        throw new MtLlamaError('CHECKPOINT_CORRUPT', `${where}: the key ${shown(key)} comes twice`)
      seen?.add(key)
    }
  }
}
