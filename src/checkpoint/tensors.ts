// Picking the tensors of a LLaMA out of what the files hold, and checking their shapes.

import { basename } from 'node:path'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { loadAddon } from '../native/addon.ts'
import { nativeCall } from '../native/job.ts'
import type {
  DType,
  LlamaSizes,
  NativeParameter,
  NativeTensor,
  StoredPart,
  StoredType,
} from '../native/types.ts'
import { type Checkpoint, type LlamaConfig, shapeOf } from './checkpoint.ts'

/** A tensor as a file declares it. */
export interface StoredTensor extends Omit<StoredPart, 'type'> {
  /** The file's own name for it. */
  name: string
  /** The file's name for the type; perhaps none that runs. */
  type: string
}

/** A tensor that several files declare a part of each, in order. */
export interface StackedTensor {
  parts: [StoredTensor, ...StoredTensor[]]
  /** The direction in which the parts follow each other: by rows (0) or by columns (1). */
  axis: 0 | 1
  /** The shape of all together. */
  shape: number[]
}

/** How a format names things, for messages and for finding tensors. */
export interface Naming {
  /** The file that the shapes come from: 'config.json'. */
  configFile: string
  /** The file's name for each field: 'num_hidden_layers'. */
  fields: Record<Exclude<keyof LlamaSizes, 'contextLength'>, string>
  /** The file that should hold the tensors: 'model.safetensors'. */
  weights: string
  /** What the format is called, and the types of its tensors that are read. */
  format: string
  types: readonly StoredType[]
  /** The stored name of a tensor with this Hugging Face name. */
  storedName: (name: string) => string
}

/** The plain numbers of a dtype. */
export const plainTypes: Readonly<Record<DType, StoredType>> = {
  float32: 'F32',
  bfloat16: 'BF16',
  float16: 'F16',
}

/** What `auto` makes of stored types; of quantised ones bfloat16. */
const ownDTypes = new Map(Object.entries(plainTypes).map(([dtype, type]) => [type, dtype as DType]))

/**
 * How a format names the tensors of a LLaMA: model.layers.3.mlp.up_proj.weight is blk.3.ffn_up.weight, say.
 * @param layers what begins the names of a layer's tensors: 'blk.'
 * @param parts Hugging Face's name of a part -> the format's: 'mlp.up_proj' -> 'ffn_up'
 */
export function namesIn(layers: string, parts: Readonly<Record<string, string>>): (name: string) => string {
  return name => {
    const [, layer, part, kind] = name.match(/^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/)!
    return `${layer === undefined ? '' : `${layers}${layer}.`}${parts[part!]}.${kind}`
  }
}

/**
 * Every tensor the forward pass reads, under Hugging Face's name, in the order of the pass.
 * @throws TENSOR_MISSING, TENSOR_SHAPE, CHECKPOINT_UNSUPPORTED (a stored type that is not read)
 */
export function takeTensors(
  config: LlamaConfig,
  stored: Map<string, StoredTensor | StackedTensor>,
  naming: Naming,
): NativeTensor[] {
  const tensors: NativeTensor[] = []
  for (const needed of neededTensors(config, stored.size)) {
    const name = naming.storedName(needed.name)
    const found = stored.get(name)
    if (found === undefined) {
      const why = because(needed.name, config, naming)
      throw new MtLlamaError('TENSOR_MISSING', `${naming.weights}: no tensor ${shown(name)}, which ${why}`)
    }
    const { parts, axis } = 'parts' in found ? found : { parts: [found] as const, axis: 0 as const }
    for (const { file, type } of parts)
      if (!naming.types.includes(type)) {
        throw new MtLlamaError(
          'CHECKPOINT_UNSUPPORTED',
          `${basename(file)}: ${shown(name)} is stored as ${type}; of a ${naming.format} file ` +
            `${naming.types.join(', ')} are read`,
        )
      }
    if (found.shape.length !== needed.shape.length || found.shape.some((n, i) => n !== needed.shape[i])) {
      const fields = needed.fields
        .flat()
        .map(field => naming.fields[field as keyof Naming['fields']])
        .join(', ')
      throw new MtLlamaError(
        'TENSOR_SHAPE',
        `${basename(parts[0].file)}: ${shown(name)} is ${dims(found.shape)}` +
          `${parts.length > 1 ? `, in ${parts.length} files together` : ''}; ${naming.configFile} (${fields}) asks for ${dims(needed.shape)}. ` +
          "Is it another model's file?",
      )
    }
    tensors.push({
      name: needed.name,
      shape: needed.shape,
      axis,
      parts: parts.map(({ name: _, ...part }) => part),
    })
  }
  return tensors
}

/** Numbers in a tensor of this shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}

/** Numbers in all weights; a tied head counts once. */
export function parameterCount(tensors: readonly { shape: readonly number[] }[]): number {
  return tensors.reduce((n, { shape }) => n + elementCount(shape), 0)
}

/** What a tensor is, as a line for hashes: two of other names, shapes or scales of adapters differ in it. */
export function tensorLine({ name, shape, adapters }: NativeTensor): string {
  return JSON.stringify([name, shape, adapters?.map(({ scale }) => scale)])
}

/** All that is read to make up a tensor. */
export function storedParts({ parts, base, adapters = [] }: NativeTensor): StoredPart[] {
  return [...parts, ...(base?.parts ?? []), ...adapters.flatMap(({ a, b }) => [a, b])]
}

/** The stored types for people, largest share first, and the dtype that `auto` stands for: the largest share's. */
export function storedTypes(tensors: NativeTensor[]): Pick<Checkpoint, 'autoDType' | 'storedTypes'> {
  const elements = new Map<StoredType, number>()
  for (const { type, shape } of tensors.flatMap(tensor => tensor.parts)) {
    elements.set(type, (elements.get(type) ?? 0) + elementCount(shape))
  }
  const types = [...elements].sort((a, b) => b[1] - a[1]).map(([type]) => type)
  return { autoDType: ownDTypes.get(types[0]!) ?? 'bfloat16', storedTypes: types.join(' + ') }
}

/**
 * Names and shapes of all that the forward pass reads, in its order.
 * @param stored how many tensors there are: of a config that asks for more layers, only as many are listed, because one
 *   of them is missing for sure
 */
export function neededTensors(config: LlamaConfig, stored: number): NativeParameter[] {
  const shape = { ...shapeOf(config), layers: Math.min(config.layers, stored + 1) }
  return nativeCall(() => loadAddon().parameters(shape))
}

/** Why a tensor is looked for. */
function because(name: string, config: LlamaConfig, naming: Naming): string {
  if (name.endsWith('.bias')) return 'a model with biases needs'
  if (name === 'lm_head.weight') return `a head that is not tied to the embedding needs`
  if (!name.startsWith('model.layers.')) return 'every LLaMA has'
  return `${naming.configFile} (${naming.fields.layers} = ${config.layers}) asks for`
}

function dims(shape: number[]): string {
  return `[${shape.join(', ')}]`
}
