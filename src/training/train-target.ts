// What a run trains: all weights of a model, or adapters of it; and which files of a checkpoint hold it.
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { huggingFacePlan, type Plan } from '../checkpoint/convert/convert-huggingface.ts'
import { openCheckpoint } from '../checkpoint/open.ts'
import { loadAddon } from '../native/addon.ts'
import { abortableJob } from '../native/job.ts'
import type { NativeAdapter, NativeTrainer } from '../native/types.ts'
import { loraTarget } from './lora-target.ts'
import { bytesOf, type ReadPart, type TrainedParameter } from './train-checkpoint.ts'
import type { TrainDType, TrainSettings } from './train-config.ts'
import type { SavedStep } from './train-folder.ts'

export interface TrainTarget {
  /** [] where all weights are trained. */
  adapters: NativeAdapter[]
  parameters: TrainedParameter[]
  /** The checkpoint that the model is loaded from. @param saved that of the run to go on from */
  model(saved: SavedStep | undefined): Promise<Checkpoint>
  /** Gives a new trainer of that model the weights that the model was not loaded with. */
  begin(trainer: NativeTrainer, saved: SavedStep | undefined): Promise<void>
  /** The files of a checkpoint but for what the run needs to go on; weights are read when they are written. */
  files(read: ReadPart): Plan
}

/** @throws what huggingFacePlan() throws for a base whose weights no Hugging Face directory can hold */
export async function trainTarget(
  { lora, seed, dtype }: Pick<TrainSettings, 'lora' | 'seed' | 'dtype'>,
  base: Checkpoint,
): Promise<TrainTarget> {
  return lora === null ? allWeights(base, dtype) : loraTarget(base, lora, seed)
}

/** The hub's limit of a file of weights. */
const maxShardBytes = 5e9

/** Checkpoints are Hugging Face directories in float32, all but the weights being the base's. */
async function allWeights(base: Checkpoint, dtype: TrainDType): Promise<TrainTarget> {
  const model = async (saved: SavedStep | undefined) => (saved ? openCheckpoint(saved.path) : base)
  const plan = await huggingFacePlan(base, 'float32', maxShardBytes)
  return {
    adapters: [],
    parameters: base.tensors,
    model,
    begin: async (trainer, saved) => {
      if (dtype !== 'float32') await writeOriginals(trainer, await model(saved))
    },
    files: read => ({
      ...plan,
      files: plan.files.map(file => ({
        ...file,
        tensors: file.tensors.map(({ tensor, begin }) => ({
          tensor: { ...tensor, source: bytesOf(read, tensor.name, 'weight') },
          begin,
        })),
      })),
    }),
  }
}

/** Gives the trainer the weights as the files have them: of a model whose own are rounded it knows no others. */
async function writeOriginals(trainer: NativeTrainer, { config, tensors }: Checkpoint): Promise<void> {
  for (const tensor of tensors) {
    const { buffer } = await abortableJob(undefined, control =>
      loadAddon().readRows(tensor, config.headDim, 0, tensor.shape[0]!, 'F32', control),
    )
    const values = new Float32Array(buffer)
    await abortableJob(undefined, control => trainer.write(tensor.name, 'weight', values, control))
  }
}
