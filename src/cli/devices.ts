// mt-llama devices: where models can run on this machine.
import type { Command } from 'commander'
import { loadAddon } from '../binding.ts'
import { type CommonOptions, newCommand } from './command.ts'
import { print, printJson } from './io.ts'

export function devicesCommand(): Command {
  return newCommand('devices', 'Where models can run on this machine.', {
    json: 'print JSON',
    examples: [
      ['devices', 'the processor, its threads and the kernels it can run'],
      ['devices --json', 'the same for programs'],
    ],
  }).action((options: CommonOptions) => run(options))
}

async function run({ json }: CommonOptions): Promise<void> {
  const { name, threads, variants } = loadAddon().cpu()
  const devices = [
    { device: 'cpu', name, threads, variants },
    {
      device: 'reference',
      name: 'plain scalar float32, the definition; slow',
      threads: 1,
      variants: ['scalar'],
    },
  ]
  if (json) return printJson(devices)
  for (const { device, name, threads, variants } of devices) {
    await print(
      `${device.padEnd(10)} ${name}; ${threads} thread${threads === 1 ? '' : 's'}; ${variants.join(', ')}\n`,
    )
  }
}
