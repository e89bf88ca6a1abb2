// Every command, in the order --help lists them.
import type { Command } from 'commander'
import type { Io } from './io.ts'

/** By name. A command is loaded when it is asked for, since all together take half a second of a program's start. */
export const commands: Readonly<Record<string, () => Promise<(io: Io) => Command>>> = {
  eval: async () => (await import('./eval.ts')).evalCommand,
  compare: async () => (await import('./compare.ts')).compareCommand,
  report: async () => (await import('./report.ts')).reportCommand,
  score: async () => (await import('./score.ts')).scoreCommand,
  merge: async () => (await import('./merge.ts')).mergeCommand,
  fleet: async () => (await import('./fleet.ts')).fleetCommand,
  generate: async () => (await import('./generate.ts')).generateCommand,
  chat: async () => (await import('./chat.ts')).chatCommand,
  serve: async () => (await import('./serve.ts')).serveCommand,
  info: async () => (await import('./info.ts')).infoCommand,
  devices: async () => (await import('./devices.ts')).devicesCommand,
  bench: async () => (await import('./bench.ts')).benchCommand,
  convert: async () => (await import('./convert.ts')).convertCommand,
  delta: async () => (await import('./delta.ts')).deltaCommand,
  templates: async () => (await import('./templates.ts')).templatesCommand,
  mixture: async () => (await import('./mixture.ts')).mixtureCommand,
  train: async () => (await import('./train.ts')).trainCommand,
  tasks: async () => (await import('./tasks.ts')).tasksCommand,
  pull: async () => (await import('./pull.ts')).pullCommand,
  data: async () => (await import('./data.ts')).dataCommand,
}
