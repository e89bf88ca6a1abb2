// Gathers the settings of a run: what the user asked for, and what the loaded model made of it.
import { readFile } from 'node:fs/promises'
import { openCheckpoint } from '../checkpoint/open.ts'
import type { Model } from '../model.ts'
import type { DataOptions } from '../tasks/load-samples.ts'
import { fingerprint } from './fingerprint.ts'
import type { Settings } from './results.ts'

/** @param data must name its folder by an absolute path, since settings are compared between runs */
export async function runSettings(
  { info }: Model,
  data: DataOptions,
  tooLong: Settings['tooLong'],
): Promise<Settings> {
  return {
    version: await packageVersion(),
    modelFingerprint: await fingerprint(await openCheckpoint(info.path, info)),
    dtype: info.dtype,
    backend: info.backend,
    addBos: info.addBos,
    tooLong,
    ...data,
  }
}

/** The version of this package. Its package.json lies two folders up, from src as from dist. */
export async function packageVersion(): Promise<string> {
  const file = new URL('../../package.json', import.meta.url)
  return JSON.parse(await readFile(file, 'utf8')).version
}
