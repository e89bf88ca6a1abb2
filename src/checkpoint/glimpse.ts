// What the config of a checkpoint says, field by field, where the checkpoint itself does not run.
import { join } from 'node:path'
import { pathKind } from './files.ts'
import { readGguf } from './gguf/gguf.ts'
import { readJsonObject } from './json.ts'

/** Longer texts and lists, such as a vocabulary, are left out. */
const MAX_CHARACTERS = 200

/** The short fields of config.json, params.json or a GGUF file's metadata; none where no such file can be read. */
export async function glimpse(path: string): Promise<Record<string, unknown>> {
  try {
    if ((await pathKind(path)) === 'file') return short(Object.fromEntries((await readGguf(path)).metadata))
    for (const name of ['config.json', 'params.json'])
      if ((await pathKind(join(path, name))) === 'file') return short(await readJsonObject(join(path, name)))
  } catch {
    // That it does not run is told anyway; this only adds to it.
  }
  return {}
}

function short(fields: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(fields).filter(
    ([, value]) => !ArrayBuffer.isView(value) && typeof value !== 'bigint' && isShort(value),
  )
  return Object.fromEntries(entries)
}

function isShort(value: unknown): boolean {
  if (Array.isArray(value) && value.length > MAX_CHARACTERS) return false
  return (JSON.stringify(value) ?? '').length <= MAX_CHARACTERS
}
