// Runs the program as a user does, from its source: for the tests of the command line.
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The project's folder. */
export const root = fileURLToPath(new URL('..', import.meta.url))
const main = `${root}src/cli/main.ts`

export interface CliResult {
  /** null after a signal it did not handle. */
  code: number | null
  stdout: string
  stderr: string
}

export interface CliOptions {
  /** All of it; undefined where `onStart` writes and ends it. @default '' */
  stdin?: string | Uint8Array | undefined
  env?: Record<string, string>
  /** Called with the process once it runs. */
  onStart?: (child: ChildProcess) => void
  /** Called with all of stderr so far, whenever there is more. */
  onStderr?: (text: string, child: ChildProcess) => void
}

export function cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], {
    cwd: root,
    env: { ...process.env, ...options.env },
  })
  options.onStart?.(child)
  const result: CliResult = { code: null, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', text => {
    result.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    result.stderr += text
    options.onStderr?.(result.stderr, child)
  })
  // The program may leave before it has read its input.
  child.stdin.on('error', () => {})
  if (!('stdin' in options)) child.stdin.end()
  else if (options.stdin !== undefined) child.stdin.end(options.stdin)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve({ ...result, code }))
  })
}

/** Lines of JSONL. */
export function jsonLines(text: string) {
  return text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))
}
