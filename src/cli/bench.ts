// mt-llama bench: how fast this machine runs a model, beside what it can do at most.

import { clearLine, cursorTo } from 'node:readline'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { BenchReport } from '../bench/report.ts'
import { type BenchPart, benchParts, runBench } from '../bench/run.ts'
import { type ShapeName, shapeNames } from '../bench/shapes.ts'
import { packageVersion } from '../files/package-version.ts'
import { dtypeOf } from '../model/dtype-names.ts'
import { benchText } from './bench-table.ts'
import { addDeviceOptions, choice, integer, integers, type ModelOptions, newCommand } from './command.ts'
import { type Io, print, printJson } from './io.ts'

interface BenchCommandOptions extends ModelOptions {
  shape?: ShapeName
  only: BenchPart[]
  rows: number[]
  packTokens: number
  loraRank: number
}

/** Maximum of rows that ops are timed on: more would take gigabytes of activations. */
const maxRows = 65_536
/** Training takes much more memory and time than the others. */
const defaultParts = benchParts.filter(part => part !== 'train' && part !== 'train-ops')
const summary = 'How fast this machine runs a model, beside what it can do at most.'
const description = `${summary}

Ops are compared with the reference before they are timed, decoding with scoring, and shared prompts with unshared ones. \
A share is of a peak measured in the same run: of the instruction that the type goes through or of reading memory, \
whichever takes longer. What moves activations alone has no share: they lie in caches. Random weights are bfloat16 unless \
--dtype says otherwise. Training and its ops have to be asked for; the loss of train is in float32, and compared with scoring first.`

export function benchCommand(io: Io): Command {
  const command = newCommand('bench', description, {
    json: 'print JSON',
    examples: [
      ['bench', 'a model of 135 M random weights, about a minute on a laptop'],
      ['bench --model ./llama --threads 8', 'a checkpoint'],
      ['bench --shape 7B --device cuda --only prefill,decode', 'random weights of another size, on a GPU'],
      ['bench --only train --threads 2', 'training steps of all weights and of LoRA adapters, in float32'],
      ['bench --only train-ops --rows 512', 'each op of the way back'],
      ['bench --only ops --rows 1,64 --dtype float32 --json', 'each op of the forward pass, for programs'],
    ],
  })
    .summary(summary)
    .option(
      '--model <path>',
      'checkpoint: a Hugging Face or Meta directory, or a GGUF file (default: random weights)',
    )
    .addOption(
      choice('--shape <name>', 'size of the random weights; 135M unless given', shapeNames).conflicts(
        'model',
      ),
    )
  return addDeviceOptions(command)
    .addOption(
      new Option('--only <parts>', 'parts to run')
        .argParser(partList)
        .default(defaultParts, defaultParts.join(',')),
    )
    .addOption(
      new Option('--rows <list>', 'numbers of tokens that ops are timed at')
        .argParser(integers(1, maxRows))
        .default([1, 32, 512], '1,32,512'),
    )
    .addOption(
      new Option('--pack-tokens <n>', 'tokens of the pack that train runs')
        .argParser(integer(8, 2 ** 20))
        .default(2048),
    )
    .addOption(
      new Option('--lora-rank <n>', 'rank of the adapters that train trains')
        .argParser(integer(1, 2 ** 16))
        .default(8),
    )
    .action((options: BenchCommandOptions) => run(io, options))
}

async function run(io: Io, options: BenchCommandOptions): Promise<void> {
  const { model, shape = '135M', dtype, device, threads, only: parts, rows, json, quiet } = options
  const { packTokens, loraRank } = options
  const report: BenchReport = {}
  try {
    await runBench(
      {
        model: model === undefined ? { shape } : { path: model },
        ...{ dtype: dtypeOf(dtype), device, threads, parts, rows, signal: io.signal },
        train: { packTokens, loraRank },
        onStep: quiet ? () => {} : tell,
        version: await packageVersion(),
      },
      report,
    )
  } finally {
    if (!quiet) clear()
    // Ctrl-C or an error leaves a report of what was done by then.
    if (report.machine !== undefined) await (json ? printJson(report) : print(benchText(report)))
  }
}

/** Shows what is being done: on a terminal in one line that changes, else in a line for each part. */
function tell(part: string, step: string): void {
  const { stderr } = process
  if (stderr.isTTY) {
    clear()
    stderr.write(step === '' ? part : `${part}: ${step}`)
  } else if (step === '') stderr.write(`${part}\n`)
}

function clear(): void {
  if (!process.stderr.isTTY) return
  cursorTo(process.stderr, 0)
  clearLine(process.stderr, 0)
}

function partList(text: string): BenchPart[] {
  const names = text.split(',')
  const wrong = names.find(name => !(benchParts as readonly string[]).includes(name))
  if (wrong !== undefined)
    throw new InvalidArgumentError(`"${wrong}" is no part of it; there are ${benchParts.join(', ')}.`)
  return names as BenchPart[]
}
