// Runs the program as a user does, compiled: for the tests of the command line.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { childLimit } from './child-limit.ts'

/** The project's folder. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/** The program, from there: compile.ts makes it. */
const program = 'dist/cli/main.js'

export interface CliResult {
  /** The exit code; null after a signal that the program did not handle. */
  code: number | null
  stdout: string
  stderr: string
}

export interface CliOptions {
  /** The whole input; undefined where `onStart` writes and ends it. @default '' */
  stdin?: string | Uint8Array | undefined
  env?: Record<string, string>
  /** Called with the process once it runs. */
  onStart?: (child: ChildProcess) => void
  /** Called with all of stderr so far, whenever there is more. */
  onStderr?: (text: string, child: ChildProcess) => void
}

export function cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const child = spawn(process.execPath, [program, ...args], {
    ...childLimit,
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
  // The program may end before it has read its input.
  child.stdin.on('error', () => {})
  if (!('stdin' in options)) child.stdin.end()
  else if (options.stdin !== undefined) child.stdin.end(options.stdin)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve({ ...result, code }))
  })
}

/** A run of the program that has to end well. */
export async function cliDone(args: readonly string[]): Promise<CliResult> {
  const result = await cli(args)
  assert.equal(result.code, 0, result.stderr)
  return result
}

/** A run of the program that has to fail, and say why. */
export async function cliFails(args: readonly string[], message: RegExp): Promise<void> {
  const { code, stderr } = await cli(args)
  assert.match(stderr, message)
  assert.equal(code, 1)
}

/**
 * The environment in which the program has Ctrl-C as soon as it has written a text to stderr, and before it does anything
 * else. A signal of another process may come too late for that.
 */
export function stopAt(text: string): Record<string, string> {
  return doAt(text, "process.emit('SIGINT')")
}

/** The same, but the program stands still until it has a SIGCONT. */
export function haltAt(text: string): Record<string, string> {
  return doAt(text, "process.kill(process.pid, 'SIGSTOP')")
}

function doAt(text: string, action: string): Record<string, string> {
  const script = `
    const { stderr } = process
    const write = stderr.write.bind(stderr)
    stderr.write = (chunk, ...rest) => {
      const result = write(chunk, ...rest)
      if (String(chunk).includes(${JSON.stringify(text)})) {
        stderr.write = write
        ${action}
      }
      return result
    }`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` }
}

/**
 * Runs the program on a terminal, which `script` gives it.
 * @param answers what is typed, one after the other, each once the screen matches after what was typed before
 * @returns all that the screen showed; undefined where there is no program script
 */
export function onTerminal(
  args: readonly string[],
  answers: readonly [screen: RegExp, typed: string][] = [],
): Promise<string | undefined> {
  const run = [process.execPath, program, ...args].join(' ')
  const child = spawn('script', ['-qec', run, '/dev/null'], {
    ...childLimit,
    cwd: root,
  })
  let screen = ''
  let seen = 0
  let typed = 0
  child.stdin.on('error', () => {})
  child.stdout.setEncoding('utf8').on('data', text => {
    screen += text
    const next = answers[typed]
    if (!next?.[0].test(stripVTControlCharacters(screen.slice(seen)))) return
    typed++
    seen = screen.length
    child.stdin.write(next[1])
  })
  return new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? resolve(undefined) : reject(error),
    )
    child.on('close', (_, signal) =>
      signal === null ? resolve(screen) : reject(new Error(`ended by ${signal}; the screen shows ${screen}`)),
    )
  })
}

/** Parses the lines of JSONL. */
export function jsonLines(text: string) {
  return text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))
}
