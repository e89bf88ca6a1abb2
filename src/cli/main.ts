#!/usr/bin/env node
// The program mt-llama: finds the command, handles signals and errors, sets the exit code.
import { Command, CommanderError } from 'commander'
import { MtLlamaError } from '../errors.ts'
import { packageVersion } from '../files/package-version.ts'
import { type ExitCode, exitCodeHelp, exitCodes } from './exit-codes.ts'
import { type Io, note } from './io.ts'
import { commands } from './registry.ts'
import { inFlags } from './words.ts'

await main(process.argv)

async function main(argv: string[]): Promise<void> {
  const json = argv.includes('--json')
  const io = listenToSignals(argv.includes('--quiet'))
  // A reader such as head closes the pipe once it has seen enough, which is no failure; all else that breaks stdout is.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok)
    fail(new MtLlamaError('OUTPUT', `stdout: ${error.message}.`), json)
    process.exit(exitCodes.failure)
  })
  // It is no failure if nobody reads the notices on stderr any more.
  process.stderr.on('error', () => {})
  let command: Command | undefined
  try {
    const all = await program(io, await packageVersion(), json, argv[2])
    all.hook('preAction', (_, ran) => {
      command = ran
    })
    await all.parseAsync(argv)
    process.exitCode = io.exitCode()
  } catch (error) {
    process.exitCode = exitCodeOf(error, io)
    if (process.exitCode === exitCodes.failure)
      fail(error instanceof MtLlamaError ? inFlags(error, command) : error, json)
    else if (json && error instanceof CommanderError && process.exitCode === exitCodes.usage)
      fail(error, json)
  }
}

/** @param first the first argument: if it is a command, no other is there, else all */
async function program(io: Io, version: string, json: boolean, first: string | undefined): Promise<Command> {
  const program = new Command('mt-llama')
    // Options behind a command's name are for it to read, in the order in which they stand.
    .enablePositionalOptions()
    .description('Score, evaluate and generate from LLaMA checkpoints.')
    .version(version, '--version', 'print the version')
    .addHelpText('after', `\n${exitCodeHelp}\n\nMT_LLAMA_DEBUG=1 shows where an error came from.`)
    .configureHelp({ helpWidth: 100 })
    .showHelpAfterError('(mt-llama --help shows the commands)')
    .exitOverride()
  const isCommand = first !== undefined && Object.hasOwn(commands, first)
  for (const name of isCommand ? [first] : Object.keys(commands))
    program.addCommand((await commands[name]!())(io))
  // With --json, main() writes the error as JSON in the end, so Commander writes nothing.
  if (json) for (const each of [program, ...program.commands]) each.configureOutput({ writeErr: () => {} })
  return program
}

/** The first signal asks the command to stop and save, the second leaves at once. */
function listenToSignals(quiet: boolean): Io {
  const controller = new AbortController()
  let code: ExitCode = exitCodes.ok
  let words = () => 'what is done is kept'
  const endWith = (other: ExitCode) => {
    if (!controller.signal.aborted) code = other
  }
  const listen = (signal: NodeJS.Signals, signalCode: ExitCode) =>
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(signalCode)
      code = signalCode
      note(`\nstopping; ${words()} (again to leave at once)`, { quiet })
      controller.abort()
    })
  listen('SIGINT', exitCodes.interrupted)
  listen('SIGTERM', exitCodes.terminated)
  const endWell = () => {
    code = exitCodes.ok
  }
  const sayAtStop = (others: () => string) => {
    words = others
  }
  return { signal: controller.signal, sayAtStop, exitCode: () => code, endWith, endWell }
}

function exitCodeOf(error: unknown, io: Io): ExitCode {
  // Commander has printed its message or the help before it threw.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (io.signal.aborted && error instanceof MtLlamaError && error.code === 'ABORTED') return io.exitCode()
  return exitCodes.failure
}

/** Writes one error message, as an object with --json so that programs can read it. MT_LLAMA_DEBUG=1 adds the stack. */
function fail(error: unknown, json: boolean): void {
  const isUsage = error instanceof CommanderError
  const code = error instanceof MtLlamaError ? error.code : isUsage ? 'USAGE' : 'INTERNAL'
  const message = error instanceof Error ? error.message : String(error)
  const text = json
    ? JSON.stringify({ error: { code, message: isUsage ? message.replace(/^error: /, '') : message } })
    : `error: ${message} [${code}]`
  process.stderr.write(`${text}\n`)
  if (process.env.MT_LLAMA_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
}
