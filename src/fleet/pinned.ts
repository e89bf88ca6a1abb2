// The bits of a run, pinned as it is submitted: model, dtype, device and instruction set, without loading the weights.
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { MtLlamaError } from '../errors.ts'
import type { ScoreLineOptions } from '../lines/score-lines.ts'
import { chosenDevice, type DeviceChoice } from '../model/devices.ts'
import type { DTypeName } from '../model/dtype-names.ts'
import { resultSettings } from '../model/result-settings.ts'
import type { Device } from '../native/types.ts'
import type { ShardSettings } from './shard-files.ts'

/** @throws DEVICE_UNAVAILABLE, TOKENIZER */
export async function pinnedSettings(
  checkpoint: Checkpoint,
  { dtype, device: choice }: { dtype: DTypeName | 'auto'; device: DeviceChoice },
  options: ScoreLineOptions,
): Promise<{ settings: ShardSettings; device: Device }> {
  const device = await chosenDevice(choice)
  const settings = await resultSettings(checkpoint, { dtype, device }).catch((error: unknown) => {
    if (!(error instanceof MtLlamaError) || error.code !== 'DEVICE_UNAVAILABLE') throw error
    const pinned = 'A run is pinned to what it is submitted on: submit it where a worker is to run.'
    throw new MtLlamaError(error.code, `${error.message} ${pinned}`)
  })
  return { settings: { ...settings, ...options }, device }
}
