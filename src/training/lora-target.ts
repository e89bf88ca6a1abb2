// A LoRA run: the adapters that are trained, their first weights, and their checkpoints, which are directories of PEFT.
import { join } from 'node:path'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { abortableJob } from '../native/job.ts'
import { drawnStream, uniformNumbers } from './drawn-weights.ts'
import { type LoraSettings, loraScale, type Projection, targetsOf } from './lora-settings.ts'
import { type FilePart, fileOfParts, restoreParts } from './train-checkpoint.ts'
import type { TrainTarget } from './train-target.ts'

const weightsFile = 'adapter_model.safetensors'

/** The adapters of a module: matrices a [rank, in] and b [out, rank]. */
interface LoraPair {
  module: string
  a: FilePart
  b: FilePart
}

/**
 * Adapters as PEFT's LoraConfig makes them, with init_lora_weights = true: each a is drawn evenly from -1 / sqrt(in) to
 * 1 / sqrt(in) (torch's kaiming_uniform_ with a = sqrt(5)), by the seed and its own name; each b is zero.
 * @param base a model of any format
 */
export function loraTarget(base: Checkpoint, lora: LoraSettings, seed: number): TrainTarget {
  const pairs = pairsOf(base, lora)
  const parts = pairs.flatMap(({ a, b }) => [a, b])
  const scale = loraScale(lora)
  return {
    adapters: pairs.map(({ module }) => ({ module, rank: lora.rank, scale })),
    parameters: parts,
    model: async () => base,
    async begin(trainer, saved) {
      if (saved) return restoreParts(join(saved.path, weightsFile), parts, trainer)
      for (const { name, shape } of pairs.map(({ a }) => a)) {
        const [rank, inputs] = shape as [number, number]
        const values = await uniformNumbers(rank * inputs, 1 / Math.sqrt(inputs), drawnStream(seed, name))
        await abortableJob(undefined, control => trainer.write(name, 'weight', values, control))
      }
    },
    files: read => ({
      texts: { 'adapter_config.json': `${JSON.stringify(adapterConfig(base.path, lora), null, 2)}\n` },
      files: fileOfParts(weightsFile, parts, read),
      warnings: [],
    }),
  }
}

function pairsOf({ config, tensors }: Checkpoint, lora: LoraSettings): LoraPair[] {
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]))
  return Array.from({ length: config.layers }, (_, layer) => layer).flatMap(layer =>
    targetsOf(lora).map(target => {
      const module = moduleOf(layer, target)
      const [outputs, inputs] = shapes.get(`${module}.weight`) as [number, number]
      const part = (name: string, shape: number[]): FilePart => ({
        ...{ name: `${module}.${name}.weight`, shape, part: 'weight' },
        key: `base_model.model.${module}.${name}.weight`,
      })
      return { module, a: part('lora_A', [lora.rank, inputs]), b: part('lora_B', [outputs, lora.rank]) }
    }),
  )
}

function moduleOf(layer: number, target: Projection): string {
  const block = /^[qkvo]_/.test(target) ? 'self_attn' : 'mlp'
  return `model.layers.${layer}.${block}.${target}`
}

/** What PEFT's LoraConfig needs to say: all else are its defaults in every release. */
function adapterConfig(base: string, lora: LoraSettings): object {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: base,
    inference_mode: true,
    r: lora.rank,
    lora_alpha: lora.alpha,
    use_rslora: lora.rslora,
    lora_dropout: 0,
    target_modules: targetsOf(lora),
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    modules_to_save: null,
  }
}
