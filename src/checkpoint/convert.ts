// Converts a GGUF file to a Hugging Face directory that transformers loads.
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { MtLlamaError } from '../errors.ts'
import { type Holder, takeLock } from '../files/lock.ts'
import { outputError, writeNewFile } from '../files/output.ts'
import { checkPath } from '../files/path.ts'
import { loadAddon } from '../native/addon.ts'
import { cancel, nativeJob, newControl, onAbort } from '../native/job.ts'
import type { DType, NativeTensor } from '../native/types.ts'
import type { Checkpoint } from './checkpoint.ts'
import { configJson, specialIds } from './config-json.ts'
import { makeFolder, pathKind } from './files.ts'
import { openGguf } from './gguf-llama.ts'
import { tokenizerFiles } from './gguf-tokenizer-json.ts'
import { fileTypes, type OutputTensor, outputBytes, writeSafetensors } from './safetensors-writer.ts'
import { storedParts, storedTypes } from './tensors.ts'

export interface ConvertOptions {
  /** Of every tensor. By default a tensor keeps its own, and quantised ones become bfloat16. */
  dtype?: DType
  /** Maximum bytes of tensors in a file. @default 5e9, as the hub has it */
  maxShardBytes?: number
  onProgress?: (doneBytes: number, totalBytes: number) => void
  /** Rejects with ABORTED. */
  signal?: AbortSignal
  /** Told of a conversion to the same folder that has ended before its end; what it has left is removed. */
  onAbandoned?: (holder: Holder) => void
}

interface ConvertedTensor extends OutputTensor {
  source: NativeTensor
}

/** Numbers read at a time, or those of one head where they are more. */
const PIECE_VALUES = 4 * 2 ** 20

/**
 * The folder appears whole or not at all: it is written beside its place under another name.
 * @param dir must not exist, or be an empty folder
 * @throws OUTPUT, where another process converts to it too; ABORTED, TOKENIZER, WEIGHT_NOT_FINITE (also for a value past
 *   float16), and
 *   what opening a GGUF throws
 */
export async function convertGguf(file: string, dir: string, options: ConvertOptions = {}): Promise<void> {
  checkPath('file', file)
  const target = resolve(checkPath('dir', dir))
  if ((await pathKind(file)) === 'folder')
    throw new MtLlamaError('CHECKPOINT_UNSUPPORTED', `${file}: a folder; expected the GGUF file to convert`)
  await refuseUsed(target, dir)
  const checkpoint = await openGguf(file)
  const files = describe(checkpoint, options.dtype)
  const partial = (id: string) => `${target}.partial-${id}`
  const remove = (folder: string) => rm(folder, { recursive: true, force: true })
  try {
    await makeFolder(dirname(target))
    const lock = await takeLock(target, {
      words: [dir, 'Name another folder'],
      onAbandoned: async holder => {
        options.onAbandoned?.(holder)
        await remove(partial(holder.id))
      },
    })
    const made = partial(lock.id)
    try {
      await refuseUsed(target, dir)
      await mkdir(made)
      for (const [name, content] of Object.entries(files)) {
        await writeNewFile(join(made, name), `${JSON.stringify(content, null, 2)}\n`)
      }
      await writeTensors(checkpoint, made, options)
      await rename(made, target)
    } catch (error) {
      await remove(made).catch(() => {}) // the first error is the one to tell
      throw error
    } finally {
      await lock.release()
    }
  } catch (error) {
    throw outputError(dir, { folder: 'folder', kept: 'Nothing is left there' }, error)
  }
}

async function refuseUsed(target: string, dir: string): Promise<void> {
  const kind = await pathKind(target)
  const isLink = await lstat(target).then(
    found => found.isSymbolicLink(),
    () => false,
  )
  if (!isLink && (kind === 'missing' || (kind === 'folder' && (await readdir(target)).length === 0))) return
  const what = isLink ? 'is a link' : kind === 'folder' ? 'is not empty' : 'is a file'
  throw new MtLlamaError('OUTPUT', `${dir}: ${what}; give a new folder`)
}

/** The JSON files. */
function describe(checkpoint: Checkpoint, dtype: DType | undefined): Record<string, object> {
  const { config, tokenizer, chatTemplate } = checkpoint
  const where = basename(checkpoint.path)
  return {
    'config.json': configJson(config, dtype ?? checkpoint.autoDType, where),
    'generation_config.json': specialIds(config),
    ...(tokenizer?.kind === 'gguf' ? tokenizerFiles(where, tokenizer.metadata, config, chatTemplate) : {}),
  }
}

async function writeTensors(
  { path, tensors: sources, config }: Checkpoint,
  dir: string,
  { dtype, maxShardBytes = 5e9, onProgress, signal }: ConvertOptions,
): Promise<void> {
  const tensors = sources.map((source): ConvertedTensor => {
    return { name: source.name, dtype: dtype ?? storedTypes([source]).autoDType, shape: source.shape, source }
  })
  const total = tensors.reduce((sum, tensor) => sum + outputBytes(tensor), 0)
  let done = 0
  try {
    await writeSafetensors(dir, tensors, maxShardBytes, async function* (tensor) {
      for await (const piece of convertTensor(tensor, config.headDim, signal)) {
        yield piece
        done += piece.length
        onProgress?.(done, total)
      }
    })
  } catch (error) {
    if (!signal?.aborted) throw error
    throw new MtLlamaError('ABORTED', `${path}: the conversion was stopped`, { cause: error })
  }
}

/** The tensor's bytes in its new dtype, some whole rows at a time; whole heads where rows change places. */
async function* convertTensor(
  { source, dtype }: ConvertedTensor,
  headDim: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const type = fileTypes[dtype].name
  const [rows, columns] = [source.shape[0]!, source.shape[1]]
  const unit = storedParts(source).some(part => part.ropeInterleaved) ? headDim : 1
  const step = columns === undefined ? rows : Math.max(Math.floor(PIECE_VALUES / (columns * unit)), 1) * unit
  for (let row = 0; row < rows; row += step) {
    const control = newControl()
    const count = Math.min(step, rows - row)
    const reading = nativeJob(() => loadAddon().readRows(source, headDim, row, count, type, control))
    const stop = onAbort(signal, () => cancel(control))
    yield await reading.finally(stop)
  }
}
