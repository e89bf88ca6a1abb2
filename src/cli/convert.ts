// mt-llama convert: a checkpoint of any format to a Hugging Face directory or a GGUF file.

import { type Command, InvalidArgumentError } from 'commander'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { convert } from '../checkpoint/convert/convert.ts'
import { openCheckpoint } from '../checkpoint/open.ts'
import type { DType } from '../native/types.ts'
import {
  type AdditionOptions,
  addAdditionOptions,
  type CommonOptions,
  choice,
  folder,
  newCommand,
} from './command.ts'
import { type Io, note, print, printJson } from './io.ts'
import { mebibytes } from './open-model.ts'
import { startByteProgress } from './progress.ts'

export interface ConvertCommandOptions extends CommonOptions, AdditionOptions {
  to?: 'huggingface' | 'gguf'
  dtype?: DType | 'q8_0'
  shardSize?: number
}

export function convertCommand(io: Io): Command {
  const command = newCommand(
    'convert',
    'Convert a checkpoint to a Hugging Face directory for transformers, or a GGUF file for llama.cpp.',
    {
      json: 'print the path as JSON',
      examples: [
        ['convert model.gguf ./model', 'tensors keep their type; quantised ones become bfloat16'],
        ['convert model.gguf ./model --dtype float32', 'every value exactly as the file has it'],
        [
          'convert ./llama ./small --dtype bfloat16 --shard-size 2GB',
          'PyTorch files become safetensors, in shards',
        ],
        ['convert ./llama ./merged --adapter ./lora', 'with a LoRA adapter merged into it'],
        [
          'convert ./llama ./llama.gguf --dtype q8_0',
          'for llama.cpp; run again, one that was stopped goes on',
        ],
      ],
    },
  )
  return addAdditionOptions(addOutputOptions(command))
    .argument('<path>', 'checkpoint: a Hugging Face or Meta directory, or a GGUF file')
    .argument('<out>', 'folder to make, or file where it ends in .gguf; it must not exist', folder)
    .addOption(
      choice('--to <format>', 'what is written, whatever the name of the output', ['huggingface', 'gguf']),
    )
    .action((path: string, out: string, options: ConvertCommandOptions) => run(io, path, out, options))
}

/** Adds the options that say how tensors are written. */
export function addOutputOptions(command: Command): Command {
  return command
    .addOption(
      choice('--dtype <type>', 'of every tensor; q8_0 for GGUF', ['float32', 'bfloat16', 'float16', 'q8_0']),
    )
    .option(
      '--shard-size <size>',
      'bytes of tensors in a file at most: 500MB, 5GB, 2GiB (default: 5GB)',
      bytes,
    )
}

const units: Readonly<Record<string, number>> = {
  ...{ B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 },
  ...{ KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40 },
}

/** Parses a size as transformers writes it: 500MB is 500,000,000 bytes, 2GiB 2 * 2^30. */
function bytes(text: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)\s*([KMGT]?i?B)$/i.exec(text) ?? []
  const size = Math.floor(Number(count) * (units[unit?.toUpperCase() ?? ''] ?? Number.NaN))
  if (size >= 1 && Number.isSafeInteger(size)) return size
  throw new InvalidArgumentError('Expected a size such as 500MB, 5GB or 2GiB.')
}

async function run(io: Io, path: string, out: string, options: ConvertCommandOptions): Promise<void> {
  const additions = { delta: options.delta, adapters: options.adapter }
  await writeConverted(io, await openCheckpoint(path, additions), out, options)
}

/** Writes a checkpoint that was opened, and tells people how far it is. */
export async function writeConverted(
  io: Io,
  checkpoint: Checkpoint,
  out: string,
  options: ConvertCommandOptions,
): Promise<void> {
  for (const warning of checkpoint.warnings) note(`warning: ${warning}`, options)
  const progress = startByteProgress('convert', options)
  await convert(checkpoint, out, {
    ...(options.to && { to: options.to }),
    ...(options.dtype && { dtype: options.dtype }),
    ...(options.shardSize && { maxShardBytes: options.shardSize }),
    signal: io.signal,
    onWarning: warning => note(`warning: ${warning}`, options),
    onProgress: progress.update,
    onResume: kept =>
      note(`${out}: goes on after ${mebibytes(kept)} that an earlier run has written`, options),
  }).finally(progress.stop)
  if (options.json) await printJson({ path: out })
  else await print(`${out}\n`)
  note(`mt-llama info ${out} says what is in it`, options)
}
