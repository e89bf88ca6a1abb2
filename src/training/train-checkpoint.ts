// Moves what training has learnt between the trainer and files: tensors in float32, and AdamW's moments.
import { safetensorsFiles } from '../checkpoint/convert/safetensors-writer.ts'
import type { OutputTensor, TensorFile } from '../checkpoint/convert/tensor-file.ts'
import { openFile, readExactly } from '../checkpoint/files.ts'
import { readSafetensors } from '../checkpoint/huggingface/safetensors.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { abortableJob } from '../native/job.ts'
import type { NativeParameter, NativeTrainer, ParameterPart } from '../native/types.ts'

/** A matrix or vector that is trained, by the trainer's name for it. */
export type TrainedParameter = Pick<NativeParameter, 'name' | 'shape'>

/** Numbers of a parameter, and the name that a file has for them. */
export interface FilePart extends TrainedParameter {
  part: ParameterPart
  /** 'exp_avg.model.norm.weight' */
  key: string
}

/** torch.optim.AdamW's names of the moments. */
const moments = [
  ['exp_avg', 'mean'],
  ['exp_avg_sq', 'square'],
] as const

/** AdamW's moments: "exp_avg.NAME" and "exp_avg_sq.NAME". */
export function momentsOf(parameters: readonly TrainedParameter[]): FilePart[] {
  return parameters.flatMap(({ name, shape }) =>
    moments.map(([prefix, part]) => ({ name, shape, part, key: `${prefix}.${name}` })),
  )
}

/** Gives the numbers of a parameter, by the trainer's name for it. */
export type ReadPart = (name: string, part: ParameterPart) => Promise<Float32Array>

/** A file of parameters in float32, as they are when it is written. @param name the file's */
export function fileOfParts(name: string, parts: readonly FilePart[], read: ReadPart): TensorFile[] {
  const outputs = parts.map(
    (of): OutputTensor => ({
      ...{ name: of.key, type: 'F32', shape: of.shape },
      source: bytesOf(read, of.name, of.part),
    }),
  )
  return safetensorsFiles(outputs, Number.POSITIVE_INFINITY).map(file => ({ ...file, name }))
}

export function readerOf(trainer: NativeTrainer): ReadPart {
  return (name, part) => abortableJob(undefined, control => trainer.read(name, part, control))
}

/** The bytes of a parameter, for a file. */
export function bytesOf(read: ReadPart, name: string, part: ParameterPart): () => Promise<Uint8Array> {
  return async () => {
    const { buffer, byteOffset, byteLength } = await read(name, part)
    return new Uint8Array(buffer, byteOffset, byteLength)
  }
}

/** Gives the trainer the parameters of a file. @throws OUTPUT where they are not those of the run */
export async function restoreParts(
  file: string,
  parts: readonly FilePart[],
  trainer: NativeTrainer,
): Promise<void> {
  const stored = new Map((await readSafetensors(file)).map(tensor => [tensor.name, tensor]))
  await using handle = await openFile(file)
  for (const { name, shape, part, key } of parts) {
    const found = stored.get(key)
    if (found?.type !== 'F32' || shown(found.shape) !== shown(shape))
      throw new MtLlamaError(
        'OUTPUT',
        `${file}: "${key}" is ${found ? `${found.type} ${shown(found.shape)}` : 'missing'}; expected F32 ${shown(shape)}, as the run has it.`,
      )
    const { buffer, byteOffset } = await readExactly(handle, found.offset, found.bytes, file)
    const values = new Float32Array(buffer.slice(byteOffset, byteOffset + found.bytes))
    await abortableJob(undefined, control => trainer.write(name, part, values, control))
  }
}
