// The settings of a run: what the user asked for, and what the loaded model turned it into.
import { readFile } from 'node:fs/promises'
import { openCheckpoint } from '../checkpoint/open.ts'
import type { Model } from '../model.ts'
import type { DataOptions } from '../tasks/load-samples.ts'
import { fingerprint } from './fingerprint.ts'
import type { Settings } from './results.ts'

/** @param data its folder is absolute, for it is compared between runs */
export async function runSettings(
  { info }: Model,
  data: DataOptions,
  tooLong: Settings['tooLong'],
): Promise<Settings> {
  return {
    version: await packageVersion(),
    modelFingerprint: await fingerprint(await openCheckpoint(info.path)),
    dtype: info.dtype,
    backend: info.backend,
    addBos: info.addBos,
    tooLong,
    ...data,
  }
}

/** Of this package; the file lies two folders up, from src as from dist. */
export async function packageVersion(): Promise<string> {
  const file = new URL('../../package.json', import.meta.url)
  return JSON.parse(await readFile(file, 'utf8')).version
}
