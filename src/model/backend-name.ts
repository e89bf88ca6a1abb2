// The names of backends: the device, and of the processor the instruction set, by which the bits of results are told apart.
import { MtLlamaError } from '../errors.ts'
import type { Device } from '../native/types.ts'
import { gpuOrdinal, listDevices } from './devices.ts'

/** The variable that names the instruction set of the processor's kernels. */
const variantVariable = 'MT_LLAMA_CPU'
const processorPrefix = 'cpu '

/** The name that a model on the device will give its backend, see ModelInfo. @throws DEVICE_UNAVAILABLE */
export async function backendName(device: Device): Promise<string> {
  if (device === 'reference') return device
  const { processors, gpus } = await listDevices()
  const ordinal = gpuOrdinal(device)
  if (ordinal !== undefined) {
    const gpu = gpus[ordinal]
    if (gpu) return `cuda ${gpu.name}`
    throw new MtLlamaError(
      'DEVICE_UNAVAILABLE',
      `${device} is not on this machine; mt-llama devices lists what is.`,
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

/** Makes this process use the instruction set that a backend's name has, unless it was told another. */
export function useVariantOf(backend: string): void {
  if (backend.startsWith(processorPrefix) && !process.env[variantVariable])
    process.env[variantVariable] = backend.slice(processorPrefix.length)
}
