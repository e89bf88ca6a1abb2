// The devices a model can run on: which there are, and which one a caller means.

import { checkChoice } from '../calls/options.ts'
import { loadAddon } from '../native/addon.ts'
import { nativeCall, nativeJob, newControl } from '../native/job.ts'
import type { Device } from '../native/types.ts'
import { availableBytes } from './memory.ts'

/** 'auto': the first GPU that can be used, else 'cpu'. 'cuda' is 'cuda:0'. */
export type DeviceChoice = 'auto' | 'cuda' | Device

export interface ProcessorInfo {
  /** 'reference' is the slow plain definition. */
  device: 'cpu' | 'reference'
  name: string
  threads: number
  /** Kernel variants it runs, best first. */
  variants: string[]
}

export interface GpuInfo {
  device: `cuda:${number}`
  name: string
  /** '9.0' */
  computeCapability: string
  multiprocessors: number
  totalBytes: number
  /** Undefined where the GPU cannot be used. */
  freeBytes: number | undefined
  /** The newest CUDA version the driver speaks: '13.0'. */
  driver: string
  /** The CUDA version of this build. */
  runtime: string
  /** Why it cannot be used. */
  unavailable: string | undefined
}

export interface Devices {
  processors: ProcessorInfo[]
  gpus: GpuInfo[]
  /** Why there are no GPUs. */
  noGpus: string | undefined
}

/** Where models can run on this machine. Free memory is asked for through a CUDA context on each GPU, which stays. */
export async function listDevices(): Promise<Devices> {
  const addon = loadAddon()
  const { gpus, reason } = await nativeJob(() => addon.gpus(newControl()))
  return {
    processors: [
      { device: 'cpu', ...nativeCall(() => addon.cpu()) },
      {
        device: 'reference',
        name: 'plain scalar float32, the definition; slow',
        threads: 1,
        variants: ['scalar'],
      },
    ],
    gpus: await Promise.all(
      gpus.map(async (gpu, i) => ({ device: `cuda:${i}` as const, ...gpu, ...(await freeBytes(i)) })),
    ),
    noGpus: reason || undefined,
  }
}

const namedChoices = ['auto', 'cpu', 'reference', 'cuda', 'cuda:0'] as const

export function isDeviceChoice(device: unknown): device is DeviceChoice {
  if (typeof device === 'string' && /^cuda:\d{1,4}$/.test(device)) return true
  return (namedChoices as readonly unknown[]).includes(device)
}

/** @throws INVALID_ARGUMENT */
export function checkDevice(device: unknown): DeviceChoice {
  return isDeviceChoice(device) ? device : checkChoice<DeviceChoice>('device', device, namedChoices)
}

/** The device that a choice means. It may turn out to be unavailable. */
export async function chosenDevice(choice: DeviceChoice): Promise<Device> {
  if (choice === 'cuda') return 'cuda:0'
  if (choice !== 'auto') return choice
  const { gpus } = await nativeJob(() => loadAddon().gpus(newControl()))
  for (const i of gpus.keys()) if ((await freeBytes(i)).unavailable === undefined) return `cuda:${i}`
  return 'cpu'
}

/** Threads that a device runs on. @param threads asked for; 0: one a core */
export function threadsOn(device: Device, threads: number): number {
  return device === 'cpu' ? threads || nativeCall(() => loadAddon().cpu()).threads : 1
}

/** The number of a GPU, undefined for other devices. */
export function gpuOrdinal(device: Device): number | undefined {
  return device.startsWith('cuda:') ? Number(device.slice('cuda:'.length)) : undefined
}

/** Bytes that this process may still take of a device's memory. */
export async function availableOn(device: Device): Promise<number> {
  const ordinal = gpuOrdinal(device)
  if (ordinal === undefined) return availableBytes()
  return nativeJob(() => loadAddon().gpuFreeBytes(ordinal, newControl()))
}

async function freeBytes(ordinal: number): Promise<Pick<GpuInfo, 'freeBytes' | 'unavailable'>> {
  try {
    return { freeBytes: await loadAddon().gpuFreeBytes(ordinal, newControl()), unavailable: undefined }
  } catch (error) {
    return { freeBytes: undefined, unavailable: (error as Error).message }
  }
}
