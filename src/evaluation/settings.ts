// Gathers the settings of a run: what the user asked for, and what the loaded model made of it.
import { packageVersion } from '../files/package-version.ts'
import type { Settings } from './results.ts'
import type { Scorer } from './scorer.ts'

/** @param asked must name the data folder by an absolute path, since settings are compared between runs */
export async function runSettings(
  { info }: Scorer,
  asked: Pick<Settings, 'protocol' | 'tooLong' | 'dataDir' | 'limit'> & Partial<Settings>,
): Promise<Settings> {
  return {
    version: await packageVersion(),
    modelFingerprint: info.fingerprint,
    dtype: info.dtype,
    backend: info.backend,
    addBos: info.addBos,
    ...asked,
  }
}
