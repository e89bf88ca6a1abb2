// A checkpoint of random weights that takes no more disk than its largest tensor: all matrices are the same bytes of one
// temporary file, the norms are ones at its end.
import { randomUUID } from 'node:crypto'
import { rmSync, statfsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Checkpoint, type LlamaConfig, shapeOf } from '../checkpoint/checkpoint.ts'
import { elementCount } from '../checkpoint/tensors.ts'
import { MtLlamaError } from '../errors.ts'
import { loadAddon } from '../native/addon.ts'
import { abortedError, nativeCall } from '../native/job.ts'
import type { DType, NativeTensor, StoredType } from '../native/types.ts'

export interface RandomCheckpoint {
  /** The checkpoint, which can be loaded between write() and remove(). */
  checkpoint: Checkpoint
  /** Checks that the temporary folder has room for the file. @throws OUTPUT */
  checkRoom(): void
  /**
   * Writes the file, which is removed when the process exits if not before.
   * @throws OUTPUT, ABORTED
   */
  write(signal: AbortSignal): Promise<void>
  remove(): void
}

interface Format {
  type: StoredType
  /** The type of array whose elements hold the bits of one number. */
  Bits: Uint16ArrayConstructor | Uint32ArrayConstructor
  one: number
  /** Masks of a number's bits: the sign, the exponent that stands for 2^-6, and all of the fraction. */
  sign: number
  sixtyFourth: number
  fraction: number
}

const formats: Record<DType, Format> = {
  float32: {
    ...{ type: 'F32', Bits: Uint32Array, one: 0x3f800000 },
    ...{ sign: 2 ** 31, sixtyFourth: 121 << 23, fraction: 2 ** 23 - 1 },
  },
  bfloat16: {
    ...{ type: 'BF16', Bits: Uint16Array, one: 0x3f80 },
    ...{ sign: 2 ** 15, sixtyFourth: 121 << 7, fraction: 2 ** 7 - 1 },
  },
  float16: {
    ...{ type: 'F16', Bits: Uint16Array, one: 0x3c00 },
    ...{ sign: 2 ** 15, sixtyFourth: 9 << 10, fraction: 2 ** 10 - 1 },
  },
}

/** How many numbers are made, to be written again and again. It is a prime, so that hardly two rows are equal. */
const period = 1_048_573

/** Describes the checkpoint; write() makes its file. @param name what messages call it */
export function randomCheckpoint(name: string, config: LlamaConfig, dtype: DType): RandomCheckpoint {
  const format = formats[dtype]
  const elementBytes = format.Bits.BYTES_PER_ELEMENT
  const file = path.join(tmpdir(), `mt-llama-bench-${randomUUID()}`)
  const shapes = nativeCall(() => loadAddon().parameters(shapeOf(config)))
  const largest = Math.max(...shapes.map(({ shape }) => elementCount(shape)))
  const tensors = shapes.map(({ name, shape }): NativeTensor => {
    const isNorm = shape.length === 1
    const offset = isNorm ? largest * elementBytes : 0
    const bytes = elementCount(shape) * elementBytes
    return { name, shape, parts: [{ file, offset, bytes, type: format.type, shape }] }
  })
  const remove = () => rmSync(file, { force: true })
  return {
    checkpoint: {
      ...{ format: 'huggingface', path: name, config, tensors, autoDType: dtype, storedTypes: format.type },
      ...{ tokenizer: undefined, chatTemplate: undefined, chatTemplateFile: undefined, warnings: [] },
    },
    checkRoom: () => checkRoom(path.dirname(file), (largest + config.hiddenSize) * elementBytes),
    async write(signal) {
      process.on('exit', remove)
      try {
        await using handle = await open(file, 'wx', 0o600)
        const numbers = randomBytes(format)
        for (let left = largest * elementBytes; left > 0; left -= numbers.length) {
          if (signal.aborted) throw abortedError(signal)
          await handle.writeFile(numbers.subarray(0, left))
        }
        const ones = new format.Bits(config.hiddenSize).fill(format.one)
        await handle.writeFile(new Uint8Array(ones.buffer))
      } catch (error) {
        throw error instanceof MtLlamaError ? error : notWritable(file, error)
      }
    },
    remove() {
      remove()
      process.off('exit', remove)
    },
  }
}

/** Makes numbers of plus or minus 1/64 to 1/32, about as large as the weights of a trained model. */
function randomBytes({ Bits, sign, sixtyFourth, fraction }: Format): Uint8Array {
  const numbers = new Bits(period)
  let state = 1
  for (let i = 0; i < period; i++) {
    // xorshift32 (Marsaglia 2003)
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    numbers[i] = (state < 0 ? sign : 0) + sixtyFourth + ((state >>> 4) & fraction)
  }
  return new Uint8Array(numbers.buffer)
}

function checkRoom(folder: string, needed: number): void {
  let free: number
  try {
    const { bavail, bsize } = statfsSync(folder)
    free = bavail * bsize
  } catch (error) {
    throw notWritable(folder, error)
  }
  if (free >= needed) return
  const mib = (bytes: number) => Math.ceil(bytes / 2 ** 20)
  throw new MtLlamaError(
    'OUTPUT',
    `${folder}: random weights need a file of ${mib(needed)} MiB, but ${mib(free)} MiB are free; ` +
      'TMPDIR names another folder',
  )
}

function notWritable(where: string, error: unknown): MtLlamaError {
  const { message } = error as Error
  return new MtLlamaError('OUTPUT', `${where}: ${message}; TMPDIR names another folder for random weights`, {
    cause: error,
  })
}
