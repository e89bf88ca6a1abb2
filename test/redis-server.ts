// A Redis of a test's own, on a socket in its folder, that keeps every command on the disk.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { childLimit } from './child-limit.ts'

/** Time in ms for all tests of a file, twelve rounds of `npm run verify` among them: other children have one test's. */
const serverMs = 3_600_000

export class RedisServer {
  readonly socket: string
  readonly #folder: string
  #child: ChildProcess | undefined

  constructor(folder: string) {
    this.#folder = folder
    this.socket = join(folder, 'redis.sock')
  }

  /** Whether there is a server on this machine to start. */
  static isThere(): boolean {
    try {
      execFileSync('redis-server', ['--version'], { ...childLimit, stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  }

  /** Resolves once the server takes connections, with what an earlier one has kept. */
  async start(...options: string[]): Promise<void> {
    const args = ['--port', '0', '--unixsocket', this.socket, '--dir', this.#folder, '--save', '']
    const aof = ['--appendonly', 'yes', '--appendfsync', 'always']
    const child = spawn('redis-server', [...args, ...aof, ...options], {
      ...childLimit,
      timeout: serverMs,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#child = child
    let log = ''
    for await (const text of child.stdout.setEncoding('utf8')) {
      log += text
      if (log.includes('eady to accept connections')) {
        // The rest of the log is read, or the server would wait.
        child.stdout.resume()
        return
      }
    }
    throw new Error(`redis-server has ended: ${log}`)
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}
