// What decides the bits of a model's results, known before its weights are loaded.
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { fingerprint } from '../checkpoint/fingerprint.ts'
import { packageVersion } from '../files/package-version.ts'
import type { Device, DType } from '../native/types.ts'
import { loadTokenizer } from '../tokenizer/load.ts'
import { backendName } from './backend-name.ts'
import { type DTypeName, dtypeOf } from './dtype-names.ts'

export interface ResultSettings {
  version: string
  modelFingerprint: string
  dtype: DType
  /** See ModelInfo. */
  backend: string
  addBos: boolean
}

/** @throws DEVICE_UNAVAILABLE, TOKENIZER */
export async function resultSettings(
  checkpoint: Checkpoint,
  { dtype, device }: { dtype: DTypeName | 'auto'; device: Device },
): Promise<ResultSettings> {
  const tokenizer = checkpoint.tokenizer && (await loadTokenizer(checkpoint.tokenizer))
  return {
    version: await packageVersion(),
    modelFingerprint: await fingerprint(checkpoint),
    dtype: dtype === 'auto' ? checkpoint.autoDType : dtypeOf(dtype),
    backend: await backendName(device),
    addBos: tokenizer?.addBos ?? false,
  }
}
