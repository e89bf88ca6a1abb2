// The folder of a training run: its log, and its checkpoints, which appear whole or not at all.
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plan } from '../checkpoint/convert/convert-huggingface.ts'
import { fileBytes } from '../checkpoint/convert/tensor-file.ts'
import { makeFolder } from '../checkpoint/files.ts'
import { type Lock, takeLock } from '../files/lock.ts'
import { createFile, partOf, readOwnFile, writing } from '../files/output.ts'
import { trainFolder } from './train-log.ts'
import { parseState, type TrainState } from './train-state.ts'

/** In a checkpoint, the folder of what a run needs to go on; all else is a Hugging Face directory. */
const ownFolder = 'training'
/** In that folder, AdamW's moments. */
export const optimizerFile = 'optimizer.safetensors'

/** A checkpoint of the run. */
export interface SavedStep {
  /** A Hugging Face directory. */
  path: string
  state: TrainState
  /** AdamW's moments. */
  optimizerFile: string
}

export class TrainFolder {
  readonly path: string
  readonly #lock: Lock

  private constructor(path: string, lock: Lock) {
    this.path = path
    this.#lock = lock
  }

  /** Makes the folder if it is missing, locks it, and removes what a run that was killed has left half-written. @throws OUTPUT */
  static open(path: string): Promise<TrainFolder> {
    return writing(path, trainFolder, async () => {
      await makeFolder(path)
      const lock = await takeLock(join(path, 'run'), {
        words: [path, 'Name another out folder'],
        onAbandoned: () => {},
      })
      try {
        for (const name of await readdir(path))
          if (/^step-\d+\.part$/.test(name)) await rm(join(path, name), { recursive: true })
        return new TrainFolder(path, lock)
      } catch (error) {
        await lock.release()
        throw error
      }
    })
  }

  /** The newest checkpoint. @throws OUTPUT where its state is broken */
  async latest(): Promise<SavedStep | undefined> {
    const step = (await this.#steps()).at(-1)
    if (step === undefined) return undefined
    const path = this.stepPath(step)
    const stateFile = join(path, ownFolder, 'state.json')
    const text = await writing(stateFile, trainFolder, () => readOwnFile(stateFile))
    return {
      path,
      state: parseState(text?.toString('utf8') ?? '', stateFile),
      optimizerFile: join(path, ownFolder, optimizerFile),
    }
  }

  /** @param optimizer its one file of tensors @returns the checkpoint's path @throws OUTPUT */
  async save(plan: Plan, optimizer: Plan['files'], state: TrainState, headDim: number): Promise<string> {
    const path = this.stepPath(state.step)
    const part = partOf(path)
    await writing(path, trainFolder, async () => {
      try {
        await mkdir(join(part, ownFolder), { recursive: true })
        await writeFolder(part, plan, headDim)
        const texts = { 'state.json': `${JSON.stringify(state, null, 2)}\n` }
        await writeFolder(join(part, ownFolder), { texts, files: optimizer }, headDim)
        await rename(part, path)
        await syncFolder(this.path)
      } catch (error) {
        await rm(part, { recursive: true, force: true }).catch(() => {}) // the first error is the one to tell
        throw error
      }
    })
    return path
  }

  /** Removes all checkpoints but the newest. @param keep how many stay @throws OUTPUT */
  async prune(keep: number): Promise<void> {
    for (const step of (await this.#steps()).slice(0, -keep)) {
      const path = this.stepPath(step)
      await writing(path, trainFolder, async () => {
        await rename(path, partOf(path))
        await rm(partOf(path), { recursive: true })
      })
    }
  }

  stepPath(step: number): string {
    return join(this.path, stepName(step))
  }

  close(): Promise<void> {
    return this.#lock.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Steps that have a checkpoint, in rising order. */
  async #steps(): Promise<number[]> {
    const names = await writing(this.path, trainFolder, () => readdir(this.path))
    return names
      .filter(name => /^step-\d{7,}$/.test(name))
      .map(name => Number(name.slice('step-'.length)))
      .sort((a, b) => a - b)
  }
}

/** The name of a step's folders: 'step-0000500'. */
export function stepName(step: number): string {
  return `step-${String(step).padStart(7, '0')}`
}

async function writeFolder(
  folder: string,
  { texts, files }: Pick<Plan, 'texts' | 'files'>,
  headDim: number,
): Promise<void> {
  for (const [name, content] of Object.entries(texts))
    await writeSynced(join(folder, name), function* () {
      yield Buffer.from(content)
    })
  for (const file of files)
    await writeSynced(join(folder, file.name), () => fileBytes(file, headDim, 0, undefined))
  await syncFolder(folder)
}

async function writeSynced(
  path: string,
  pieces: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  await using handle = await createFile(path)
  for await (const piece of pieces()) await handle.writeFile(piece)
  await handle.sync()
}

/** Waits until the disk has the folder's entries. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder)
  await handle.sync()
}
