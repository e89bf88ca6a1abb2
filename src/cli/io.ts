// Standard input and output of a command, and what the user asked of them.
import { once } from 'node:events'
import type { ExitCode } from './exit-codes.ts'

export interface Io {
  /** Aborted by the first Ctrl-C or SIGTERM. */
  signal: AbortSignal
  /** The code to leave with if the command ends well: that of the signal once there was one. */
  exitCode(): ExitCode
}

/** Writes to stdout, waiting while the reader is slower. */
export async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}

export async function printJson(value: unknown): Promise<void> {
  await print(`${JSON.stringify(value, null, 2)}\n`)
}

export async function printJsonLine(value: unknown): Promise<void> {
  await print(`${JSON.stringify(value)}\n`)
}

/** A line for people on stderr; nothing under --quiet. */
export function note(text: string, { quiet }: { quiet?: boolean | undefined }): void {
  if (!quiet) process.stderr.write(`${text}\n`)
}
