// What a command shares with the program around it: signals, the exit code, output for programs and notices for people.
import { once } from 'node:events'
import type { ExitCode } from './exit-codes.ts'

export interface Io {
  /** A signal that the first Ctrl-C or SIGTERM aborts. */
  signal: AbortSignal
  /** Sets what a signal says of the work so far, asked as it comes. Before, that what is done is kept. */
  sayAtStop(words: () => string): void
  /** The exit code of a command that ends well: the code of Ctrl-C or SIGTERM once there was one. */
  exitCode(): ExitCode
  /** Makes the signal that came the way in which the command ends well. */
  endWell(): void
  /** Sets the exit code of a command that ends well, unless a signal has come. */
  endWith(code: ExitCode): void
}

/** Writes to stdout, and waits while the reader is slower. */
export async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}

export async function printJson(value: unknown): Promise<void> {
  await print(`${JSON.stringify(value, null, 2)}\n`)
}

export async function printJsonLine(value: unknown): Promise<void> {
  await print(`${JSON.stringify(value)}\n`)
}

/** Writes a line for people to stderr; writes nothing under --quiet. */
export function note(text: string, { quiet }: { quiet?: boolean | undefined }): void {
  if (!quiet) process.stderr.write(`${text}\n`)
}
