// mt-llama devices: where models can run on this machine.
import type { Command } from 'commander'
import { type GpuInfo, listDevices, type ProcessorInfo } from '../model/devices.ts'
import { type CommonOptions, newCommand } from './command.ts'
import { print, printJson } from './io.ts'

export function devicesCommand(): Command {
  return newCommand('devices', 'Where models can run on this machine.', {
    json: 'print JSON',
    examples: [
      ['devices', 'the processor and its kernels, the GPUs and their memory, or why there are none'],
      ['devices --json', 'the same for programs'],
    ],
  }).action((options: CommonOptions) => run(options))
}

async function run({ json }: CommonOptions): Promise<void> {
  const devices = await listDevices()
  if (json) return printJson(devices)
  const { processors, gpus, noGpus } = devices
  const lines = [
    ...processors.map(info => [info.device, processorText(info)]),
    ...gpus.map(info => [info.device, gpuText(info)]),
    ...(noGpus === undefined ? [] : [['cuda', `none: ${noGpus}`]]),
  ]
  for (const [device, text] of lines) await print(`${device!.padEnd(10)} ${text}\n`)
}

function processorText({ name, threads, variants }: ProcessorInfo): string {
  return `${name}; ${threads} thread${threads === 1 ? '' : 's'}; ${variants.join(', ')}`
}

function gpuText(gpu: GpuInfo): string {
  const memory = gpu.freeBytes === undefined ? '' : `${gib(gpu.freeBytes)} free of `
  return [
    `${gpu.name}; compute capability ${gpu.computeCapability}; ${memory}${gib(gpu.totalBytes)}`,
    `driver for CUDA ${gpu.driver}, built with ${gpu.runtime}`,
    ...(gpu.unavailable === undefined ? [] : [`cannot be used: ${gpu.unavailable}`]),
  ].join('; ')
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`
}
