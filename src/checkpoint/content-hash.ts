// A hash of all the numbers of a checkpoint. Files are read whole once; what they hashed to is kept by size and time.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isRecord } from '../data/record.ts'
import { type Place, readOwnFile, replaceFile, writing } from '../files/output.ts'
import type { Checkpoint } from './checkpoint.ts'
import { storedParts, tensorLine } from './tensors.ts'

/** What a file hashed to while it had this size and time of change. */
interface KnownFile {
  size: number
  mtimeMs: number
  sha256: string
}

/**
 * SHA-256, in hexadecimal, over the architecture's numbers, where each tensor lies, and the whole files that hold them. Two
 * models that differ in a single number differ here, unlike in fingerprint(); the same tensors in other shards differ too.
 * @param file keeps the hashes of files between runs; one that cannot be read counts as empty
 * @param place names the file's folder in messages
 * @throws OUTPUT, ABORTED
 */
export async function contentHash(
  { config, tensors }: Checkpoint,
  file: string,
  place: Place,
  signal?: AbortSignal,
): Promise<string> {
  const known = await readKnown(file)
  const hash = createHash('sha256').update(JSON.stringify(config))
  const files = new Map<string, string>()
  let isChanged = false
  for (const tensor of tensors) {
    hash.update(tensorLine(tensor))
    for (const { file: name, type, shape, offset, bytes } of storedParts(tensor)) {
      const path = resolve(name)
      let sha256 = files.get(path)
      if (sha256 === undefined) {
        const { size, mtimeMs } = await stat(path)
        const before = known[path]
        const isKnown = before?.size === size && before.mtimeMs === mtimeMs
        sha256 = isKnown ? before.sha256 : await fileHash(path, signal)
        files.set(path, sha256)
        if (!isKnown) {
          known[path] = { size, mtimeMs, sha256 }
          isChanged = true
        }
      }
      hash.update(JSON.stringify([sha256, type, shape, offset, bytes]))
    }
  }
  if (isChanged) await writing(file, place, () => replaceFile(file, `${JSON.stringify(known, null, 1)}\n`))
  return hash.digest('hex')
}

async function fileHash(file: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash, { ...(signal && { signal }) })
  return hash.digest('hex')
}

async function readKnown(file: string): Promise<Record<string, KnownFile>> {
  try {
    const value: unknown = JSON.parse(String(await readOwnFile(file)))
    if (isRecord(value)) return Object.assign(Object.create(null), value)
  } catch {
    // Hashes that cannot be read are made anew.
  }
  return Object.create(null)
}
