// Converts a GGUF file to a Hugging Face directory that transformers loads.
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { MtLlamaError } from '../errors.ts'
import { type Holder, takeLock } from '../files/lock.ts'
import { outputError, writeNewFile } from '../files/output.ts'
import { checkPath } from '../files/path.ts'
import type { DType, NativeTensor } from '../native/types.ts'
import type { Checkpoint } from './checkpoint.ts'
import { configJson, specialIds } from './config-json.ts'
import { fromFloat32, isQuantised, storedBytes, toFloat32 } from './dequantize.ts'
import { makeFolder, pathKind, readExactly } from './files.ts'
import { openGguf } from './gguf-llama.ts'
import { tokenizerFiles } from './gguf-tokenizer-json.ts'
import { type OutputTensor, outputBytes, writeSafetensors } from './safetensors-writer.ts'

export interface ConvertOptions {
  /** Of every tensor. By default a tensor keeps its own, and quantised ones become bfloat16. */
  dtype?: DType
  /** Most bytes of tensors in a file. @default 5e9, as the hub has it */
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

/** Stored bytes read at a time, or one head where that is more: a few tens of MiB in float32. */
const PIECE_BYTES = 4 * 2 ** 20

/**
 * The folder appears whole or not at all: it is written beside its place under another name.
 * @param dir must not exist, or be an empty folder
 * @throws OUTPUT, where another process converts to it too; ABORTED, TOKENIZER, TENSOR_DTYPE (a value past float16), and
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

const ownDType = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const

async function writeTensors(
  { path, tensors: sources, config }: Checkpoint,
  dir: string,
  { dtype, maxShardBytes = 5e9, onProgress, signal }: ConvertOptions,
): Promise<void> {
  const tensors = sources.map((source): ConvertedTensor => {
    const own = source.type in ownDType ? ownDType[source.type as keyof typeof ownDType] : 'bfloat16'
    return { name: source.name, dtype: dtype ?? own, shape: source.shape, source }
  })
  const total = tensors.reduce((sum, tensor) => sum + outputBytes(tensor), 0)
  let done = 0
  await writeSafetensors(dir, tensors, maxShardBytes, async function* (tensor) {
    const handle = await open(tensor.source.file)
    try {
      for await (const piece of convertTensor(handle, tensor, config.headDim)) {
        if (signal?.aborted) throw new MtLlamaError('ABORTED', `${path}: the conversion was stopped`)
        yield piece
        done += piece.length
        onProgress?.(done, total)
      }
    } finally {
      await handle.close()
    }
  })
}

/** The tensor's bytes in its new dtype, some whole rows at a time; whole heads where rows change places. */
async function* convertTensor(
  handle: FileHandle,
  { source, dtype }: ConvertedTensor,
  headDim: number,
): AsyncGenerator<Uint8Array> {
  const { type, file, shape } = source
  const rows = shape[0]!
  const rowElements = shape[1] ?? 1
  const rowBytes = storedBytes(type, rowElements)
  const unit = source.ropeInterleaved ? headDim : 1
  const step = Math.max(Math.floor(PIECE_BYTES / (rowBytes * unit)), 1) * unit
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row)
    const stored = await readExactly(handle, source.offset + row * rowBytes, count * rowBytes, file)
    const bytes = source.ropeInterleaved ? halvesFromPairs(stored, rowBytes, headDim) : stored
    if (!isQuantised(type) && ownDType[type as keyof typeof ownDType] === dtype) {
      yield bytes
      continue
    }
    const values = toFloat32(type, bytes)
    if (dtype === 'float16') checkRange(values, source)
    yield fromFloat32(dtype, values)
  }
}

/** Within each head, stored row 2 i + j is row i + j * headDim / 2. */
function halvesFromPairs(stored: Buffer, rowBytes: number, headDim: number): Buffer {
  const out = Buffer.allocUnsafe(stored.length)
  const half = headDim / 2
  for (let row = 0; row * rowBytes < stored.length; row++) {
    const within = row % headDim
    const to = row - within + (within >> 1) + (within % 2) * half
    stored.copy(out, to * rowBytes, row * rowBytes, (row + 1) * rowBytes)
  }
  return out
}

/** float16 ends at 65504; from 65520 on, a value would be rounded to an infinity. */
function checkRange(values: Float32Array, { file, name }: NativeTensor): void {
  const large = values.find(value => Math.abs(value) >= 65_520)
  if (large === undefined) return
  throw new MtLlamaError(
    'TENSOR_DTYPE',
    `${basename(file)}: "${name}" holds ${large}, past float16's 65504; convert to bfloat16 or float32`,
  )
}
