// A rival that runs beside us in a process of its own, stays loaded, and answers one JSON object a line.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The peers' folder, with an install of its own (peers/setup.sh). */
export const peers = fileURLToPath(new URL('./peers/', import.meta.url))
export const python = `${peers}.venv/bin/python`

export class Rival {
  readonly name: string
  readonly #process: ChildProcess
  readonly #answers: AsyncIterator<string>
  #errors = ''

  private constructor(name: string, process: ChildProcess) {
    this.name = name
    this.#process = process
    this.#answers = createInterface({ input: process.stdout! })[Symbol.asyncIterator]()
    process.stderr!.on('data', chunk => {
      this.#errors = (this.#errors + chunk).slice(-4000)
    })
  }

  /** Starts it and waits until its model is loaded. */
  static async start(name: string, command: string, args: string[], cwd: string): Promise<Rival> {
    const child = spawn(command, args, { cwd, stdio: ['pipe', 'pipe', 'pipe'] })
    child.on('error', () => {}) // the failed answer below says so
    const rival = new Rival(name, child)
    await rival.#answer()
    return rival
  }

  async ask<T>(question: object): Promise<T> {
    this.#process.stdin!.write(`${JSON.stringify(question)}\n`)
    return JSON.parse(await this.#answer()) as T
  }

  async stop(): Promise<void> {
    this.#process.stdin!.end()
    if (this.#process.exitCode === null) await once(this.#process, 'exit')
  }

  async #answer(): Promise<string> {
    const { value, done } = await this.#answers.next()
    if (done) throw new Error(`${this.name} ended; was peers/setup.sh run?\n${this.#errors}`)
    return value
  }
}
