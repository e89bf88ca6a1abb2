// The bits of a run, pinned as it is submitted: model, dtype, device and instruction set, without loading the weights.
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { fingerprint } from '../checkpoint/fingerprint.ts'
import { MtLlamaError } from '../errors.ts'
import { packageVersion } from '../files/package-version.ts'
import type { ScoreLineOptions } from '../lines/score-lines.ts'
import { chosenDevice, type DeviceChoice, gpuOrdinal, listDevices } from '../model/devices.ts'
import { type DTypeName, dtypeOf } from '../model/dtype-names.ts'
import type { Device } from '../native/types.ts'
import { loadTokenizer } from '../tokenizer/load.ts'
import type { ShardSettings } from './shard-files.ts'

/** The variable that names the instruction set of the processor's kernels. */
const variantVariable = 'MT_LLAMA_CPU'

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
    backend: await backendOf(chosen),
    addBos: tokenizer?.addBos ?? false,
    ...options,
  }
  return { settings, device: chosen }
}

/** The name that a model on the device will give its backend. */
async function backendOf(device: Device): Promise<string> {
  if (device === 'reference') return device
  const { processors, gpus } = await listDevices()
  const ordinal = gpuOrdinal(device)
  if (ordinal !== undefined) {
    const gpu = gpus[ordinal]
    if (gpu) return `cuda ${gpu.name}`
    throw new MtLlamaError(
      'DEVICE_UNAVAILABLE',
      `${device} is not on this machine, and a run is pinned to the name of a GPU. Submit it where a worker is to run.`,
    )
  }
  const { variants } = processors.find(({ device }) => device === 'cpu')!
  const wanted = process.env[variantVariable] || variants[0]!
  if (variants.includes(wanted)) return `${processorPrefix}${wanted}`
  throw new MtLlamaError(
    'DEVICE_UNAVAILABLE',
    `${variantVariable} asks for ${JSON.stringify(wanted)}; this processor has ${variants.join(', ')}.`,
  )
}

const processorPrefix = 'cpu '

/** Makes this process use the instruction set that a run is pinned to, unless it was told another. */
export function useVariantOf({ backend }: ShardSettings): void {
  if (backend.startsWith(processorPrefix) && !process.env[variantVariable])
    process.env[variantVariable] = backend.slice(processorPrefix.length)
}
