// Rows anywhere in Parquet files, read by one process for all files (parquet-server.js), a few rows of a group at a time.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { MtLlamaError } from '../errors.ts'
import { brokenParquet, exactFields, notStarted, readerBroke } from './parquet.ts'
import { Row } from './row.ts'
import type { RowTable } from './row-table.ts'

type Fields = Record<string, unknown>
type Answer = { id: number } & (
  | { groups: number[] }
  | { rows: Fields[]; floats: string[] }
  | { error: string }
)

/** Rows that are asked for at once: what is read around a row serves for its neighbours. */
const blockRows = 64

interface Asked {
  id: number
  file: string
  /** The rows from start up to end; both absent to open a file. */
  start?: number
  end?: number
}

interface Waiting {
  asked: Asked
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
}

/** The process that reads; it starts with the first request. Files are refused as parquetFields() refuses them. */
export class ParquetServer {
  private child: ChildProcess | undefined
  /** In the order in which the process answers. */
  private readonly waiting = new Map<number, Waiting>()
  private nextId = 0

  async open(file: string): Promise<RowTable> {
    const answer = await this.ask({ file })
    if (!('groups' in answer)) throw brokenParquet(file, 'its reader does not say what it holds')
    return new ParquetTable(file, answer.groups, (start, end) => this.ask({ file, start, end }))
  }

  /** Ends the process. What waits for it is rejected. */
  close(): void {
    this.child?.kill('SIGKILL')
    this.child = undefined
    this.rejectAll(file => new MtLlamaError('DISPOSED', `${file}: was closed while it was read.`))
  }

  private ask(what: Omit<Asked, 'id'>): Promise<Answer> {
    const asked = { ...what, id: this.nextId++ }
    return new Promise((resolve, reject) => {
      this.waiting.set(asked.id, { asked, resolve, reject })
      this.send(asked)
    })
  }

  private send(asked: Asked): void {
    this.child ??= this.start()
    // A program may end while the process has nothing to do.
    this.child.channel?.ref()
    // A process that has just ended is replaced once it is known how.
    this.child.send(asked, () => {})
  }

  private start(): ChildProcess {
    const server = fileURLToPath(new URL('parquet-server.js', import.meta.url))
    const child = fork(server, [], {
      // The reader gets no options that this process was started with, and no Ctrl-C of the terminal.
      ...{ execArgv: [], detached: true, serialization: 'advanced' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    child.unref()
    child.on('message', (answer: Answer) => this.answered(child, answer))
    child.once('error', cause => {
      if (this.child === child) this.child = undefined
      this.rejectAll(file => notStarted(file, cause))
    })
    child.once('close', (code, signal) => {
      if (this.child !== child) return
      this.child = undefined
      if (code !== 0) this.blameFirst(signal ?? `code ${code}`)
      for (const { asked } of this.waiting.values()) this.send(asked)
    })
    return child
  }

  private answered(child: ChildProcess, answer: Answer): void {
    const waiting = this.waiting.get(answer.id)
    this.waiting.delete(answer.id)
    if (this.waiting.size === 0) child.channel?.unref()
    if (!waiting) return
    if ('error' in answer) waiting.reject(brokenParquet(waiting.asked.file, answer.error))
    else waiting.resolve(answer)
  }

  /** The process has ended by itself over the first request: it answers one after another. */
  private blameFirst(end: string): void {
    const [first] = this.waiting.values()
    if (!first) return
    this.waiting.delete(first.asked.id)
    first.reject(brokenParquet(first.asked.file, readerBroke(end)))
  }

  private rejectAll(error: (file: string) => MtLlamaError): void {
    const all = [...this.waiting.values()]
    this.waiting.clear()
    for (const { asked, reject } of all) reject(error(asked.file))
  }
}

class ParquetTable implements RowTable {
  readonly rows: number
  private readonly file: string
  private readonly groups: readonly number[]
  private readonly read: (start: number, end: number) => Promise<Answer>
  /** The rows that were read last, from `start` on. */
  private block: { start: number; rows: readonly Fields[] } = { start: 0, rows: [] }

  constructor(
    file: string,
    groups: readonly number[],
    read: (start: number, end: number) => Promise<Answer>,
  ) {
    this.file = file
    this.groups = groups
    this.read = read
    this.rows = groups.reduce((sum, count) => sum + count, 0)
  }

  async row(index: number): Promise<Row> {
    let { block } = this
    if (!(index >= block.start && index < block.start + block.rows.length)) {
      const [start, end] = this.blockOf(index)
      const answer = await this.read(start, end)
      if (!('rows' in answer) || answer.rows.length !== end - start)
        throw brokenParquet(this.file, `its rows ${start + 1} to ${end} are not there`)
      block = { start, rows: answer.rows.map(row => exactFields(row, answer.floats)) }
      this.block = block
    }
    return Row.ofExact(block.rows[index - block.start]!, `${this.file}, row ${index + 1}`, index + 1)
  }

  async close(): Promise<void> {}

  /** The rows of the block that holds a row: no block is of two groups, each of which is decoded whole. */
  private blockOf(index: number): [start: number, end: number] {
    let groupStart = 0
    for (const count of this.groups) {
      if (index < groupStart + count) {
        const start = index - ((index - groupStart) % blockRows)
        return [start, Math.min(start + blockRows, groupStart + count)]
      }
      groupStart += count
    }
    throw new RangeError(`row ${index} of ${this.rows}`)
  }
}
