// The settings of a run: what the user asked for, and what the loaded model turned it into.
import { readFile } from 'node:fs/promises'
import { openCheckpoint } from '../checkpoint/open.ts'
import type { Model } from '../model.ts'
import { fingerprint } from './fingerprint.ts'
import type { Settings } from './results.ts'

export interface RunOptions {
  tooLong: Settings['tooLong']
  /** Absolute, for it is compared between runs. */
  dataDir: string
  /** Default: all samples. */
  limit?: number | undefined
}

export async function runSettings({ info }: Model, options: RunOptions): Promise<Settings> {
  return {
    version: await packageVersion(),
    protocol: 'card',
    modelFingerprint: await fingerprint(await openCheckpoint(info.path)),
    dtype: info.dtype,
    backend: info.backend,
    addBos: info.addBos,
    tooLong: options.tooLong,
    dataDir: options.dataDir,
    limit: options.limit ?? null,
  }
}

/** Of this package; the file lies two folders up, from src as from dist. */
export async function packageVersion(): Promise<string> {
  const file = new URL('../../package.json', import.meta.url)
  return JSON.parse(await readFile(file, 'utf8')).version
}
