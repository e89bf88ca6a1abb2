// Every command, in the order --help lists them.
import type { Command } from 'commander'
import { benchCommand } from './bench.ts'
import { chatCommand } from './chat.ts'
import { compareCommand } from './compare.ts'
import { convertCommand } from './convert.ts'
import { dataCommand } from './data.ts'
import { deltaCommand } from './delta.ts'
import { devicesCommand } from './devices.ts'
import { evalCommand } from './eval.ts'
import { generateCommand } from './generate.ts'
import { infoCommand } from './info.ts'
import type { Io } from './io.ts'
import { mixtureCommand } from './mixture.ts'
import { pullCommand } from './pull.ts'
import { reportCommand } from './report.ts'
import { scoreCommand } from './score.ts'
import { tasksCommand } from './tasks.ts'
import { templatesCommand } from './templates.ts'
import { trainCommand } from './train.ts'

export const commands: readonly ((io: Io) => Command)[] = [
  evalCommand,
  compareCommand,
  reportCommand,
  scoreCommand,
  generateCommand,
  chatCommand,
  infoCommand,
  devicesCommand,
  benchCommand,
  convertCommand,
  deltaCommand,
  templatesCommand,
  mixtureCommand,
  trainCommand,
  tasksCommand,
  pullCommand,
  dataCommand,
]
