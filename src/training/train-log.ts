// The log of a training run, log.jsonl: a line for each step, appended as it is done.
import type { FileHandle } from 'node:fs/promises'
import { isRecord } from '../data/record.ts'
import { openToAppend } from '../files/line-writer.ts'
import { type Place, readOwnFile, writing } from '../files/output.ts'

export const trainFolder: Place = { folder: 'out folder', kept: 'The checkpoints that are there stay' }

export class TrainLog {
  readonly #file: string
  readonly #handle: FileHandle

  private constructor(file: string, handle: FileHandle) {
    this.#file = file
    this.#handle = handle
  }

  /** Opens a log and cuts off what comes after a step, a torn line too. @throws OUTPUT */
  static open(file: string, step: number): Promise<TrainLog> {
    return writing(file, trainFolder, async () => {
      const bytes = bytesUpTo((await readOwnFile(file)) ?? Buffer.alloc(0), step)
      const handle = await openToAppend(file)
      await handle.truncate(bytes)
      return new TrainLog(file, handle)
    })
  }

  /** @param line has the step that it is of @throws OUTPUT */
  add(line: { step: number; [field: string]: unknown }): Promise<void> {
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

/** The length of the lines before the first that is torn or of a later step. */
function bytesUpTo(content: Buffer, step: number): number {
  let bytes = 0
  for (let end = content.indexOf(10); end >= 0; end = content.indexOf(10, bytes)) {
    const own = stepOf(content.toString('utf8', bytes, end))
    if (own === undefined || own > step) break
    bytes = end + 1
  }
  return bytes
}

function stepOf(line: string): number | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isRecord(value) && typeof value.step === 'number' ? value.step : undefined
  } catch {
    return undefined
  }
}
