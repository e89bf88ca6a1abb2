// Moves what training has learnt between the trainer and files: weights as a Hugging Face directory, and AdamW's moments.
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { huggingFacePlan, type Plan } from '../checkpoint/convert/convert-huggingface.ts'
import { safetensorsFiles } from '../checkpoint/convert/safetensors-writer.ts'
import type { OutputTensor, TensorFile } from '../checkpoint/convert/tensor-file.ts'
import { openFile, readExactly } from '../checkpoint/files.ts'
import { readSafetensors } from '../checkpoint/huggingface/safetensors.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { abortableJob } from '../native/job.ts'
import type { NativeTrainer, ParameterPart } from '../native/types.ts'

/** The hub's limit of a file of weights. */
const maxShardBytes = 5e9

/** torch.optim.AdamW's names of the moments. */
const moments = [
  ['exp_avg', 'mean'],
  ['exp_avg_sq', 'square'],
] as const

/**
 * The Hugging Face directory that a run's checkpoints are, but for their weights: all else is the base's.
 * @throws what huggingFacePlan() throws for a base that such a directory cannot hold
 */
export function checkpointPlan(base: Checkpoint): Promise<Plan> {
  return huggingFacePlan(base, 'float32', maxShardBytes)
}

/** The same with the trainer's weights, as they are when they are written. */
export function withWeights(plan: Plan, trainer: NativeTrainer): Plan {
  const files = plan.files.map(file => ({
    ...file,
    tensors: file.tensors.map(({ tensor, begin }) => ({
      tensor: { ...tensor, source: reader(trainer, tensor.name, 'weight') },
      begin,
    })),
  }))
  return { ...plan, files }
}

/** The file of AdamW's moments, in float32: "exp_avg.NAME" and "exp_avg_sq.NAME". */
export function optimizerFiles({ tensors }: Checkpoint, trainer: NativeTrainer): TensorFile[] {
  const outputs = tensors.flatMap(({ name, shape }) =>
    moments.map(
      ([prefix, part]): OutputTensor => ({
        ...{ name: `${prefix}.${name}`, type: 'F32', shape },
        source: reader(trainer, name, part),
      }),
    ),
  )
  return safetensorsFiles(outputs, Number.POSITIVE_INFINITY).map(file => ({
    ...file,
    name: 'optimizer.safetensors',
  }))
}

/** Gives the trainer the moments of a file. @throws OUTPUT where they are not those of the model */
export async function restoreOptimizer(
  file: string,
  { tensors }: Checkpoint,
  trainer: NativeTrainer,
): Promise<void> {
  const stored = new Map((await readSafetensors(file)).map(tensor => [tensor.name, tensor]))
  await using handle = await openFile(file)
  for (const { name, shape } of tensors)
    for (const [prefix, part] of moments) {
      const key = `${prefix}.${name}`
      const found = stored.get(key)
      if (found?.type !== 'F32' || shown(found.shape) !== shown(shape))
        throw new MtLlamaError(
          'OUTPUT',
          `${file}: "${key}" is ${found ? `${found.type} ${shown(found.shape)}` : 'missing'}; expected F32 ${shown(shape)}, as the model has it.`,
        )
      const { buffer, byteOffset } = await readExactly(handle, found.offset, found.bytes, file)
      const values = new Float32Array(buffer.slice(byteOffset, byteOffset + found.bytes))
      await abortableJob(undefined, control => trainer.write(name, part, values, control))
    }
}

function reader(trainer: NativeTrainer, name: string, part: ParameterPart): () => Promise<Uint8Array> {
  return async () => {
    const values = await abortableJob(undefined, control => trainer.read(name, part, control))
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  }
}
