// mt-llama report: saved runs as one HTML file.
import type { Command } from 'commander'
import { writeReport } from '../report/report.ts'
import { isTrainRun, writeTrainReport } from '../training/train-report.ts'
import { type CommonOptions, folder, integer, newCommand } from './command.ts'
import { note, printJson } from './io.ts'

interface ReportCommandOptions extends CommonOptions {
  out: string
  samples: number
}

export function reportCommand(): Command {
  return newCommand(
    'report',
    'Write saved runs as one HTML file: tables, plots, and every sample to look through, side by side for two runs.',
    {
      json: 'print what was written as JSON',
      examples: [
        ['report ./run --out report.html', 'one run; the file opens in any browser, without a network'],
        ['report ./run-a ./run-b --out report.html', 'two runs, and the samples in which they differ'],
      ],
    },
  )
    .argument('<runs...>', 'folders that eval --out has written, or the out folder of one training run')
    .requiredOption('--out <file>', 'the HTML file to write', folder)
    .option(
      '--samples <n>',
      'only the first n samples of each task (default: all)',
      integer(1),
      Number.POSITIVE_INFINITY,
    )
    .action((runs: string[], options: ReportCommandOptions) => run(runs, options))
}

async function run(runs: readonly string[], options: ReportCommandOptions): Promise<void> {
  if (runs.length === 1 && (await isTrainRun(runs[0]!))) {
    const bytes = await writeTrainReport(runs[0]!, options.out)
    if (options.json) await printJson({ file: options.out, bytes, runs: [...runs] })
    else note(`${options.out}: the training run ${runs[0]}`, options)
    return
  }
  const written = await writeReport(runs, options.out, options.samples)
  if (options.json) await printJson(written)
  else note(`${written.file}: ${written.samples} samples of ${written.runs.join(', ')}`, options)
}
