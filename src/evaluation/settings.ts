// Gathers the settings of a run: what the user asked for, and what the loaded model made of it.
import { readFile } from 'node:fs/promises'
import type { Settings } from './results.ts'
import type { Scorer } from './scorer.ts'

/** @param asked must name the data folder by an absolute path, since settings are compared between runs */
export async function runSettings(
  { info }: Scorer,
  { protocol, tooLong, dataDir, limit }: Pick<Settings, 'protocol' | 'tooLong' | 'dataDir' | 'limit'>,
): Promise<Settings> {
  return {
    version: await packageVersion(),
    protocol,
    modelFingerprint: info.fingerprint,
    dtype: info.dtype,
    backend: info.backend,
    addBos: info.addBos,
    ...{ tooLong, dataDir, limit },
  }
}

/** The version of this package. Its package.json lies two folders up, from src as from dist. */
export async function packageVersion(): Promise<string> {
  const file = new URL('../../package.json', import.meta.url)
  return JSON.parse(await readFile(file, 'utf8')).version
}
