// Starts a server as a process with a time limit, and stops it: ours from dist/, or a rival's command.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export class ServerProcess {
  /** 'http://127.0.0.1:PORT' */
  readonly url: string
  private readonly child: ChildProcess

  private constructor(child: ChildProcess, url: string) {
    this.child = child
    this.url = url
  }

  /** `mt-llama serve` on a free port. @param minutes after which it is killed, whatever it does */
  static async start(model: string, args: readonly string[] = [], minutes = 60): Promise<ServerProcess> {
    const child = spawn(
      process.execPath,
      [main, 'serve', '--model', model, '--port', '0', '--quiet', ...args],
      { stdio: ['ignore', 'pipe', 'inherit'], timeout: minutes * 60_000, killSignal: 'SIGKILL' },
    )
    for await (const line of createInterface({ input: child.stdout! })) return new ServerProcess(child, line)
    throw new Error('the server has ended; is dist/ built?')
  }

  /** A command that serves at `url`, once GET `health` there is answered with 200. */
  static async rival(
    command: string,
    args: readonly string[],
    url: string,
    health: string,
    minutes = 60,
  ): Promise<ServerProcess> {
    const child = spawn(command, args, {
      ...{ stdio: 'ignore', timeout: minutes * 60_000, killSignal: 'SIGKILL' },
    })
    const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error))
    const isUp = async () => {
      for (let tries = 0; tries < 600 && child.exitCode === null; tries++) {
        const answer = await fetch(url + health).catch(() => undefined)
        if (answer?.ok) return
        await new Promise(resolve => setTimeout(resolve, 100))
      }
      throw new Error(`${command} does not answer at ${url}${health}`)
    }
    await Promise.race([isUp(), failed])
    return new ServerProcess(child, url)
  }

  get pid(): number {
    return this.child.pid!
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGTERM')
    await once(this.child, 'exit')
  }
}
