// What all commands have in common: help with examples and exit codes, --json, --quiet, errors of usage.
import { Command, InvalidArgumentError, Option } from 'commander'
import { maxShards, type Shard } from '../files/shard.ts'
import { checkDevice, type DeviceChoice } from '../model/devices.ts'
import { type DTypeName, dtypeNames } from '../model/dtype-names.ts'
import { maxThreads } from '../model/load.ts'
import { exitCodeHelp } from './exit-codes.ts'

export interface CommonOptions {
  json?: boolean
  quiet?: boolean
}

/** A command with what all have. @param examples pairs of a command line, after the program's name, and what it does */
export function newCommand(
  name: string,
  description: string,
  texts: { json: string; examples: readonly (readonly [line: string, purpose: string])[] },
): Command {
  const examples = texts.examples.map(([line, purpose]) => `  # ${purpose}\n  mt-llama ${line}`)
  return (
    new Command(name)
      // What follows a command's own command is for that one: both have --json and --quiet.
      .enablePositionalOptions()
      .description(description)
      .option('--json', texts.json)
      .option('--quiet', 'no notices and no progress on stderr')
      .addHelpText('after', `\nExamples:\n${examples.join('\n')}\n\n${exitCodeHelp}`)
      .configureHelp({ helpWidth: 100 })
      .showHelpAfterError(`(mt-llama ${name} --help shows the options)`)
      .exitOverride()
  )
}

/** Adds the options of commands that load a model. */
export function addModelOptions(command: Command): Command {
  return addDeviceOptions(addCheckpointOptions(command))
}

/** Adds the options that name a checkpoint, and what is put on it. */
export function addCheckpointOptions(command: Command): Command {
  return addAdditionOptions(
    command.option(
      '--model <path>',
      'checkpoint: a Hugging Face or Meta directory, a GGUF file, or ORG/NAME of the hub (default: the embedded one)',
    ),
  )
}

/** Adds the options that name what is put on a checkpoint. */
export function addAdditionOptions(command: Command): Command {
  return command
    .option('--delta <dir>', 'delta weights to add to the checkpoint', folder)
    .option(
      '--adapter <dir>',
      'LoRA adapter of PEFT to merge into it; may be given again',
      (text, before: string[] = []) => [...before, folder(text)],
    )
}

/** Adds the options that say in which number format and on which device a model runs, and by how many threads. */
export function addDeviceOptions(command: Command): Command {
  return addThreads(addBitOptions(command))
}

/** Adds the options that decide a model's bits. */
export function addBitOptions(command: Command): Command {
  return command
    .addOption(
      choice('--dtype <type>', 'number format of the weights', ['auto', ...dtypeNames]).default('auto'),
    )
    .option('--device <name>', 'where to run: auto, cpu, cuda, cuda:1 and so on, reference', device, 'auto')
}

export function addThreads(command: Command): Command {
  return command.option('--threads <n>', 'threads; 0: one a core', integer(0, maxThreads), 0)
}

export interface AdditionOptions {
  delta?: string
  adapter?: string[]
}

export interface ModelOptions extends CommonOptions, AdditionOptions {
  model?: string
  dtype: DTypeName | 'auto'
  device: DeviceChoice
  threads: number
}

export function choice(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices(choices)
}

function device(text: string): DeviceChoice {
  try {
    return checkDevice(text)
  } catch {
    throw new InvalidArgumentError('Expected auto, cpu, cuda, cuda:1 and so on, or reference.')
  }
}

/** Parses a whole number from `min` to `max`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    const hasLimit = max < Number.MAX_SAFE_INTEGER || value > max
    const range = hasLimit ? `from ${min} to ${max}` : `of at least ${min}`
    throw new InvalidArgumentError(`Expected a whole number ${range}.`)
  }
}

/** Parses a list like 1,32,512 of such numbers. */
export function integers(min: number, max: number): (text: string) => number[] {
  return text => text.split(',').map(integer(min, max))
}

/** Parses a number from `min` to `max`. */
export function number(min: number, max: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= min && value <= max))
      throw new InvalidArgumentError(`Expected a number from ${min} to ${max}.`)
    return value
  }
}

/** Parses the name of a folder. '' is refused: it comes from an unset variable of a shell, and would be the current folder. */
export function folder(text: string): string {
  if (text === '') throw new InvalidArgumentError('Expected the name of a folder.')
  return text
}

/** Parses the name of a file. */
export function fileName(text: string): string {
  if (text === '') throw new InvalidArgumentError('Expected the name of a file.')
  return text
}

/** Parses a part like 3/8, counted from 1. */
export function shardOf(text: string): Shard {
  const [index, count] = /^\d+\/\d+$/.test(text) ? text.split('/').map(Number) : []
  if (index === 0 && count! > 0)
    throw new InvalidArgumentError(
      `Parts are counted from 1. Where an index begins at 0, as Slurm's and Kubernetes' do, add 1 to it.`,
    )
  if (index !== undefined && index <= count! && count! <= maxShards) return { index, count: count! }
  throw new InvalidArgumentError(
    `Expected a part and the number of parts, such as 3/8: the third of eight, of ${maxShards} at most.`,
  )
}

/** Parses a number above 0 and of at most 1. */
export function share(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('Expected a number above 0, at most 1.')
  return value
}
