// Converts a checkpoint of any format to a Hugging Face directory or a GGUF file.
import { type FileHandle, lstat, mkdir, readdir, rename } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type ErrorCode, MtLlamaError } from '../../errors.ts'
import { takeLock } from '../../files/lock.ts'
import { createFile, openOwnFile, outputError } from '../../files/output.ts'
import { checkPath } from '../../files/path.ts'
import { abortedError } from '../../native/job.ts'
import type { DType } from '../../native/types.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { makeFolder, pathKind } from '../files.ts'
import { sourceState } from '../source-state.ts'
import { ggufPlan } from './convert-gguf.ts'
import { huggingFacePlan, type Plan } from './convert-huggingface.ts'
import { conversionId, type Position, ProgressRecord } from './convert-progress.ts'
import { fileBytes, pieceEnd, type TensorFile } from './tensor-file.ts'

export interface ConvertOptions {
  /** What is written. @default 'gguf' where the name of the output ends in .gguf */
  to?: 'huggingface' | 'gguf'
  /**
   * Of every tensor; of matrices alone in a GGUF file, where vectors are float32. By default a tensor keeps its own, and
   * quantised ones become bfloat16. q8_0 is for GGUF.
   */
  dtype?: DType | 'q8_0'
  /** Maximum bytes of tensors in a file of a Hugging Face directory. @default 5e9, as the hub has it */
  maxShardBytes?: number
  onProgress?: (doneBytes: number, totalBytes: number) => void
  /** Rejects with ABORTED; what is written is kept, and the next call goes on with it. */
  signal?: AbortSignal
  /** Told of bytes of tensors that an earlier call has written, and that are kept. */
  onResume?: (keptBytes: number) => void
  /** Told, before anything is written, what other readers make otherwise of the output than of the source. */
  onWarning?: (message: string) => void
}

/** So many bytes are written at most before the disk is asked to keep them and the record says so. */
const SAVE_BYTES = 256 * 2 ** 20

/** Errors that another run of the same conversion would meet again. */
const lasting: ReadonlySet<ErrorCode> = new Set(['WEIGHT_NOT_FINITE', 'CHECKPOINT_CORRUPT', 'TENSOR_SHAPE'])

/**
 * Writes a folder or file that appears whole or not at all: until then it is OUT.partial, with a record beside it of how
 * far it is. A call that is stopped or killed is gone on with by the next one of the same source and options.
 * @param out must not exist, or be an empty folder to become a directory
 * @throws OUTPUT, where another process converts to it too; ABORTED, TOKENIZER, WEIGHT_NOT_FINITE (also for a value past
 *   float16), CHECKPOINT_CORRUPT for a source that is changed meanwhile
 */
export async function convert(
  checkpoint: Checkpoint,
  out: string,
  options: ConvertOptions = {},
): Promise<void> {
  const target = resolve(checkPath('out', out))
  const kind = (options.to ?? (/\.gguf$/i.test(out) ? 'gguf' : 'huggingface')) === 'gguf' ? 'file' : 'folder'
  await refuseUsed(target, out, kind)
  const plan = await makePlan(checkpoint, kind, options)
  for (const warning of plan.warnings) options.onWarning?.(warning)
  const state = await sourceState(checkpoint)
  const record = new ProgressRecord(target, conversionId(checkpoint, state, plan))
  let kept = false
  try {
    if (options.signal?.aborted) throw abortedError(options.signal)
    await makeFolder(dirname(target))
    const lock = await takeLock(target, { words: [out, `Name another ${kind}`], onAbandoned: () => {} })
    try {
      await refuseUsed(target, out, kind)
      const found = await record.find()
      const writer = new PlanWriter(plan, record, checkpoint.config.headDim, kind === 'folder', options)
      try {
        if (found !== undefined) options.onResume?.(bytesBefore(plan, found))
        await writer.write(found)
        if ((await sourceState(checkpoint)) !== state)
          throw new MtLlamaError(
            'CHECKPOINT_CORRUPT',
            `${checkpoint.path}: was changed while it was converted; run the conversion again`,
          )
        await rename(record.partial, target)
        await record.forget()
      } catch (error) {
        kept = writer.doneBytes > 0 && !(error instanceof MtLlamaError && lasting.has(error.code))
        if (!kept) await record.remove().catch(() => {}) // the first error is the one to tell
        throw error
      }
    } finally {
      await lock.release()
    }
  } catch (error) {
    const words = kept
      ? `What is finished is kept in ${out}.partial, and the same call goes on with it`
      : 'Nothing is left there'
    if (options.signal?.aborted)
      throw new MtLlamaError('ABORTED', `${checkpoint.path}: the conversion was stopped. ${words}`, {
        cause: error,
      })
    throw outputError(out, { folder: kind, kept: words }, error)
  }
}

async function makePlan(
  checkpoint: Checkpoint,
  kind: 'file' | 'folder',
  { dtype, maxShardBytes }: ConvertOptions,
): Promise<Plan> {
  if (kind === 'file') {
    if (maxShardBytes === undefined) return ggufPlan(checkpoint, dtype)
    throw new MtLlamaError('INVALID_ARGUMENT', 'a GGUF file has no shards; expected no size of them')
  }
  if (dtype !== 'q8_0') return huggingFacePlan(checkpoint, dtype, maxShardBytes ?? 5e9)
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    'dtype is "q8_0"; a Hugging Face directory holds float32, bfloat16 or float16. Name a .gguf file for q8_0',
  )
}

async function refuseUsed(target: string, out: string, expected: 'file' | 'folder'): Promise<void> {
  const kind = await pathKind(target)
  const isLink = await lstat(target).then(
    found => found.isSymbolicLink(),
    () => false,
  )
  if (!isLink && kind === 'missing') return
  if (!isLink && expected === 'folder' && kind === 'folder' && (await readdir(target)).length === 0) return
  const what = isLink ? 'is a link' : inTheWay[expected][kind === 'folder' ? 'folder' : 'file']
  throw new MtLlamaError('OUTPUT', `${out}: ${what}; give a new ${expected}`)
}

/** What is wrong with what is there, by what is to be made. */
const inTheWay = {
  file: { folder: 'is a folder', file: 'is there' },
  folder: { folder: 'is not empty', file: 'is a file' },
} as const

function bytesBefore({ files }: Plan, { file, bytes }: Position): number {
  return files.slice(0, file).reduce((sum, whole) => sum + whole.bytes, bytes)
}

/** Writes a plan's files to the record's place, from a position on. */
class PlanWriter {
  /** Bytes of the plan's tensor files that are written. */
  doneBytes = 0
  readonly #plan: Plan
  readonly #record: ProgressRecord
  readonly #headDim: number
  readonly #isFolder: boolean
  readonly #options: ConvertOptions
  readonly #totalBytes: number

  constructor(
    plan: Plan,
    record: ProgressRecord,
    headDim: number,
    isFolder: boolean,
    options: ConvertOptions,
  ) {
    this.#plan = plan
    this.#record = record
    this.#headDim = headDim
    this.#isFolder = isFolder
    this.#options = options
    this.#totalBytes = plan.files.reduce((sum, file) => sum + file.bytes, 0)
  }

  /** @param earlier where an earlier run has come to */
  async write(earlier: Position | undefined): Promise<void> {
    // The record comes first: a folder without one counts as a stranger's.
    if (earlier === undefined) {
      await this.#record.save({ file: 0, bytes: 0 })
      if (this.#isFolder) await mkdir(this.#record.partial)
    }
    for (const [name, content] of Object.entries(this.#plan.texts)) {
      const file = await createFile(join(this.#record.partial, name))
      await file.writeFile(content).finally(() => file.close())
    }
    const whole = earlier?.file ?? 0
    for (const [i, file] of this.#plan.files.entries()) {
      await this.#writeFrom(i, i < whole ? file.bytes : i === whole ? (earlier?.bytes ?? 0) : 0)
    }
  }

  /** @param from how much of the file an earlier run has written */
  async #writeFrom(index: number, from: number): Promise<void> {
    const file = this.#plan.files[index]!
    const { handle, begin } = await this.#open(file, from)
    this.doneBytes += begin
    const position = { file: index, bytes: begin }
    // The disk has the bytes before the record says so.
    const save = async () => {
      await handle.datasync()
      await this.#record.save(position)
    }
    try {
      let saved = begin
      for await (const piece of fileBytes(file, this.#headDim, begin, this.#options.signal)) {
        await writeAll(handle, piece)
        position.bytes += piece.length
        this.doneBytes += piece.length
        if (position.bytes - saved >= SAVE_BYTES) {
          await save()
          saved = position.bytes
        }
        this.#options.onProgress?.(this.doneBytes, this.#totalBytes)
      }
      await save()
    } catch (error) {
      await save().catch(() => {}) // the first error is the one to tell
      throw error
    } finally {
      await handle.close()
    }
  }

  /** Opens a file and cuts it to what of it is kept, `begin` bytes. */
  async #open(file: TensorFile, from: number): Promise<{ handle: FileHandle; begin: number }> {
    const path = this.#isFolder ? join(this.#record.partial, file.name) : this.#record.partial
    const handle = from > 0 ? await openOwnFile(path) : undefined
    if (handle !== undefined && (await handle.stat()).size >= from) {
      const begin = pieceEnd(file, this.#headDim, from)
      await handle.truncate(begin)
      return { handle, begin }
    }
    await handle?.close()
    return { handle: await createFile(path), begin: 0 }
  }
}

/** A single write may be cut short. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done)).bytesWritten
}
