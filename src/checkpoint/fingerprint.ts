// Tells checkpoints apart by what is in them, without reading all their gigabytes.
import { createHash } from 'node:crypto'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import type { NativeTensor } from '../native/types.ts'
import type { Checkpoint } from './checkpoint.ts'
import { storedParts, tensorLine } from './tensors.ts'

/** Bytes read at the start and at the middle of each tensor. */
const probe = 1024

/**
 * SHA-256 (first 16 hexadecimal digits) over the architecture's numbers, the tokenizer's files, and each tensor's name, type,
 * shape and 2 KiB of its bytes. Training moves every tensor, so two models differ here; a copy elsewhere, or in other shards,
 * does not.
 */
export async function fingerprint({ config, tensors, tokenizer }: Checkpoint): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(config))
  if (tokenizer?.kind === 'gguf') {
    for (const [key, value] of tokenizer.metadata) hash.update(JSON.stringify([key, value], plain))
  } else if (tokenizer) {
    const { file, configFile, specialTokensFile, addedTokensFile } = tokenizer
    for (const name of [file, configFile, specialTokensFile, addedTokensFile])
      if (name !== undefined) hash.update(await readFile(name))
  }
  const files = new Map<string, FileHandle>()
  try {
    for (const tensor of [...tensors].sort(byName)) {
      hash.update(tensorLine(tensor))
      for (const { file, type, shape, offset, bytes } of storedParts(tensor)) {
        hash.update(JSON.stringify([type, shape]))
        const handle = files.get(file) ?? (await open(file))
        files.set(file, handle)
        for (const start of [0, Math.floor(bytes / 2)]) {
          const length = Math.min(probe, bytes - start)
          const { buffer } = await handle.read(Buffer.alloc(length), 0, length, offset + start)
          hash.update(buffer)
        }
      }
    }
  } finally {
    for (const handle of files.values()) await handle.close()
  }
  return hash.digest('hex').slice(0, 16)
}

function byName(a: NativeTensor, b: NativeTensor): number {
  return a.name < b.name ? -1 : 1
}

/** Makes bigints and typed arrays values that JSON.stringify() can write. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value
}
