// The bits of a run, pinned as it is submitted: model, dtype, device and instruction set, without loading the weights.
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { fingerprint } from '../checkpoint/fingerprint.ts'
import { packageVersion } from '../files/package-version.ts'
import type { ScoreLineOptions } from '../lines/score-lines.ts'
import { backendName } from '../model/backend-name.ts'
import { chosenDevice, type DeviceChoice } from '../model/devices.ts'
import { type DTypeName, dtypeOf } from '../model/dtype-names.ts'
import type { Device } from '../native/types.ts'
import { loadTokenizer } from '../tokenizer/load.ts'
import type { ShardSettings } from './shard-files.ts'

/** @throws DEVICE_UNAVAILABLE, TOKENIZER */
export async function pinnedSettings(
  checkpoint: Checkpoint,
  { dtype, device }: { dtype: DTypeName | 'auto'; device: DeviceChoice },
  options: ScoreLineOptions,
): Promise<{ settings: ShardSettings; device: Device }> {
  const tokenizer = checkpoint.tokenizer && (await loadTokenizer(checkpoint.tokenizer))
  const chosen = await chosenDevice(device)
  const settings: ShardSettings = {
    version: await packageVersion(),
    modelFingerprint: await fingerprint(checkpoint),
    dtype: dtype === 'auto' ? checkpoint.autoDType : dtypeOf(dtype),
    backend: await backendName(chosen),
    addBos: tokenizer?.addBos ?? false,
    ...options,
  }
  return { settings, device: chosen }
}
