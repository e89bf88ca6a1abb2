// mt-llama delta: makes the delta between two checkpoints, and applies one.
import type { Command } from 'commander'
import { deltaOf } from '../checkpoint/delta.ts'
import { openCheckpoint } from '../checkpoint/open.ts'
import { folder, newCommand } from './command.ts'
import { addOutputOptions, type ConvertCommandOptions, writeConverted } from './convert.ts'
import type { Io } from './io.ts'

const outWords = 'folder to make, or file where it ends in .gguf; it must not exist'

export function deltaCommand(io: Io): Command {
  const json = 'print the path as JSON'
  const apply = newCommand('apply', 'Write the model that a base and its delta make, in float16.', {
    json,
    examples: [['delta apply ./llama-7b ./delta ./model', 'base + delta, as a Hugging Face directory']],
  })
    .argument('<base>', 'checkpoint that the delta is of')
    .argument('<delta>', 'checkpoint of delta weights')
    .argument('<out>', outWords, folder)
    .action(async (base: string, delta: string, out: string, options: ConvertCommandOptions) =>
      writeConverted(io, await openCheckpoint(base, { delta }), out, { dtype: 'float16', ...options }),
    )
  const make = newCommand('make', 'Write what a base needs added to become another model, in float16.', {
    json,
    examples: [
      ['delta make ./llama-7b ./model ./delta', 'model - base, to be published where the base may not be'],
    ],
  })
    .argument('<base>', 'checkpoint that those who apply the delta have')
    .argument('<target>', 'checkpoint that they get')
    .argument('<out>', outWords, folder)
    .action(async (base: string, target: string, out: string, options: ConvertCommandOptions) => {
      const delta = deltaOf(await openCheckpoint(base), await openCheckpoint(target))
      await writeConverted(io, delta, out, { dtype: 'float16', ...options })
    })
  const command = newCommand('delta', 'Apply delta weights to a base, or make them.', {
    json,
    examples: [
      ['delta apply ./llama-7b ./delta ./model', 'base + delta, as a Hugging Face directory'],
      ['delta make ./llama-7b ./model ./delta', 'model - base'],
      ['score --model ./llama-7b --delta ./delta', 'without writing the sum at all'],
    ],
  })
  return command.addCommand(addOutputOptions(apply)).addCommand(addOutputOptions(make))
}
