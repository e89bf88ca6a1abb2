// mt-llama compare: saved runs of the same data, sample by sample.
import type { Command } from 'commander'
import { type Comparison, compare } from '../evaluation/compare/compare.ts'
import { comparisonTables } from '../evaluation/compare/comparison-tables.ts'
import { type CommonOptions, folder, integer, newCommand } from './command.ts'
import { print, printJson } from './io.ts'

interface CompareCommandOptions extends CommonOptions {
  tasks?: string[]
  flips: number
}

export function compareCommand(): Command {
  return newCommand('compare', 'Compare saved runs of the same data, sample by sample.', {
    json: 'print the comparison as JSON, with every flip',
    examples: [
      [
        'compare ./run-a ./run-b',
        'differences of B from A, their intervals, and whether chance explains them',
      ],
      ['compare ./base ./step-1000 ./step-2000 --tasks copa,rte', 'two runs against the first, on two tasks'],
      [
        'compare ./run-a ./run-b --flips 100',
        'with up to 100 samples a task that are right in one of them alone',
      ],
    ],
  })
    .argument('<first>', 'folder of the run that the others are compared with', folder)
    .argument('<others...>', 'folders of other runs', (text, before: string[] = []) => [
      ...before,
      folder(text),
    ])
    .option('--tasks <names>', 'comma-separated (default: all; every run must have them)', text =>
      text.split(',').map(name => name.trim()),
    )
    .option('--flips <n>', 'samples with another score to list for each task', integer(0), 10)
    .action((first: string, others: string[], options: CompareCommandOptions) => run(first, others, options))
}

async function run(
  first: string,
  others: readonly string[],
  { tasks, flips, json }: CompareCommandOptions,
): Promise<void> {
  const comparison: Comparison = await compare([first, ...others], tasks === undefined ? {} : { tasks })
  if (json) await printJson(comparison)
  else await print(comparisonTables(comparison, flips))
}
