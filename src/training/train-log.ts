// The log of a training run, log.jsonl: a line for each step, appended as it is done.
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { parsedRecord } from '../data/record.ts'
import { openToAppend } from '../files/line-writer.ts'
import { type Place, readOwnFile, writing } from '../files/output.ts'

export const trainFolder: Place = { folder: 'out folder', kept: 'The checkpoints that are there stay' }

/** The path of the log. @param out the out folder */
export function logFile(out: string): string {
  return join(out, 'log.jsonl')
}

/** A line of the log: what happened at the beginning (step 0), in a step, or after it. */
export interface LogLine {
  step: number
  readonly [field: string]: unknown
}

export class TrainLog {
  readonly #file: string
  readonly #handle: FileHandle
  /** Steps whose evaluation is in the log. */
  readonly evaluated: ReadonlySet<number>

  private constructor(file: string, handle: FileHandle, evaluated: ReadonlySet<number>) {
    this.#file = file
    this.#handle = handle
    this.evaluated = evaluated
  }

  /**
   * Opens a log and cuts off what comes after a step, a torn line too.
   * @param step undefined where the run begins: what is there is of one that has left no checkpoint
   * @throws OUTPUT
   */
  static open(file: string, step: number | undefined): Promise<TrainLog> {
    return writing(file, trainFolder, async () => {
      const { bytes, lines } = logUpTo((await readOwnFile(file)) ?? Buffer.alloc(0), step ?? -1)
      const handle = await openToAppend(file)
      await handle.truncate(bytes)
      const evaluated = lines.filter(line => line.evaluation !== undefined)
      return new TrainLog(file, handle, new Set(evaluated.map(line => line.step)))
    })
  }

  /** @param line has the step that it is of @throws OUTPUT */
  add(line: LogLine): Promise<void> {
    return writing(this.#file, trainFolder, () => this.#handle.appendFile(`${JSON.stringify(line)}\n`))
  }

  /** Waits until the disk has all lines. @throws OUTPUT */
  sync(): Promise<void> {
    return writing(this.#file, trainFolder, () => this.#handle.datasync())
  }

  close(): Promise<void> {
    return this.#handle.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** The lines before the first that is torn or of a later step, and their length. */
export function logUpTo(content: Buffer, step: number): { lines: LogLine[]; bytes: number } {
  const lines: LogLine[] = []
  let bytes = 0
  for (let end = content.indexOf(10); end >= 0; end = content.indexOf(10, bytes)) {
    const line = parsedLine(content.toString('utf8', bytes, end))
    if (line === undefined || line.step > step) break
    lines.push(line)
    bytes = end + 1
  }
  return { lines, bytes }
}

function parsedLine(text: string): LogLine | undefined {
  const value = parsedRecord(text)
  return typeof value?.step === 'number' ? (value as unknown as LogLine) : undefined
}
