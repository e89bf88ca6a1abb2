// The tensors a LLaMA needs, their shapes, and picking them out of what the files hold.

import { basename } from 'node:path'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import type { NativeTensor, StoredType } from '../native/types.ts'
import type { Checkpoint, LlamaConfig } from './checkpoint.ts'

/** A tensor as a file declares it, under the file's own name for it. */
export interface StoredTensor extends Omit<NativeTensor, 'type'> {
  /** The file's name for the type; perhaps none that runs. */
  type: string
}

/** The fields of a config that give a shape. */
export type SizeField =
  | 'vocabSize'
  | 'hiddenSize'
  | 'intermediateSize'
  | 'heads'
  | 'kvHeads'
  | 'headDim'
  | 'layers'

/** How a format names things, for messages and for finding tensors. */
export interface Naming {
  /** What the shapes come from: 'config.json'. */
  configFile: string
  /** Its name for each field: 'num_hidden_layers'. */
  fields: Record<SizeField, string>
  /** The file that should hold the tensors: 'model.safetensors'. */
  weights: string
  /** What the format is called, and the types of its tensors that are read. */
  format: string
  types: readonly StoredType[]
  /** The stored name of a tensor with this Hugging Face name. */
  storedName: (name: string) => string
}

export interface NeededTensor {
  name: string
  shape: number[]
  fields: SizeField[]
}

/** What `auto` makes of stored types; of quantised ones bfloat16. */
const ownDTypes = new Map<StoredType, Checkpoint['autoDType']>([
  ['F32', 'float32'],
  ['F16', 'float16'],
])

/**
 * Every tensor the forward pass reads, under Hugging Face's name, in the order of the pass.
 * @throws TENSOR_MISSING, TENSOR_SHAPE, CHECKPOINT_UNSUPPORTED (a stored type that is not read)
 */
export function takeTensors(
  config: LlamaConfig,
  stored: Map<string, StoredTensor>,
  naming: Naming,
): NativeTensor[] {
  const tensors: NativeTensor[] = []
  for (const needed of neededTensors(config)) {
    const name = naming.storedName(needed.name)
    const found = stored.get(name)
    if (found === undefined) {
      const why = because(needed.name, config, naming)
      throw new MtLlamaError('TENSOR_MISSING', `${naming.weights}: no tensor ${shown(name)}, which ${why}`)
    }
    const here = `${basename(found.file)}: ${shown(name)}`
    if (!naming.types.includes(found.type)) {
      throw new MtLlamaError(
        'CHECKPOINT_UNSUPPORTED',
        `${here} is stored as ${found.type}; of a ${naming.format} file ${naming.types.join(', ')} are read`,
      )
    }
    if (found.shape.length !== needed.shape.length || found.shape.some((n, i) => n !== needed.shape[i])) {
      const fields = needed.fields.map(field => naming.fields[field]).join(', ')
      throw new MtLlamaError(
        'TENSOR_SHAPE',
        `${here} is ${dims(found.shape)}; ${naming.configFile} (${fields}) asks for ${dims(needed.shape)}. ` +
          "Is it another model's file?",
      )
    }
    tensors.push({ ...found, name: needed.name })
  }
  return tensors
}

/** The stored types for people, largest share first, and the dtype that `auto` stands for: the largest share's. */
export function storedTypes(tensors: NativeTensor[]): Pick<Checkpoint, 'autoDType' | 'storedTypes'> {
  const elements = new Map<StoredType, number>()
  for (const { type, shape } of tensors) {
    elements.set(type, (elements.get(type) ?? 0) + shape.reduce((a, b) => a * b, 1))
  }
  const types = [...elements].sort((a, b) => b[1] - a[1]).map(([type]) => type)
  return { autoDType: ownDTypes.get(types[0]!) ?? 'bfloat16', storedTypes: types.join(' + ') }
}

/** Names and shapes of all that the forward pass reads, in its order. */
export function* neededTensors(config: LlamaConfig): Generator<NeededTensor> {
  const hidden: Side = [config.hiddenSize, 'hiddenSize']
  const ffn: Side = [config.intermediateSize, 'intermediateSize']
  const vocab: Side = [config.vocabSize, 'vocabSize']
  const q: Side = [config.heads * config.headDim, 'heads', 'headDim']
  const kv: Side = [config.kvHeads * config.headDim, 'kvHeads', 'headDim']
  yield needed('model.embed_tokens.weight', vocab, hidden)
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`
    yield needed(`${prefix}.input_layernorm.weight`, hidden)
    yield* linear(`${prefix}.self_attn.q_proj`, q, hidden, config.attentionBias)
    yield* linear(`${prefix}.self_attn.k_proj`, kv, hidden, config.attentionBias)
    yield* linear(`${prefix}.self_attn.v_proj`, kv, hidden, config.attentionBias)
    yield* linear(`${prefix}.self_attn.o_proj`, hidden, q, config.attentionBias)
    yield needed(`${prefix}.post_attention_layernorm.weight`, hidden)
    yield* linear(`${prefix}.mlp.gate_proj`, ffn, hidden, config.mlpBias)
    yield* linear(`${prefix}.mlp.up_proj`, ffn, hidden, config.mlpBias)
    yield* linear(`${prefix}.mlp.down_proj`, hidden, ffn, config.mlpBias)
  }
  yield needed('model.norm.weight', hidden)
  if (!config.tiedHead) yield needed('lm_head.weight', vocab, hidden)
}

/** A dimension and the fields it comes from. */
type Side = [size: number, ...fields: SizeField[]]

function needed(name: string, ...sides: Side[]): NeededTensor {
  return { name, shape: sides.map(([size]) => size), fields: sides.flatMap(([, ...fields]) => fields) }
}

function* linear(name: string, out: Side, inn: Side, bias: boolean): Generator<NeededTensor> {
  yield needed(`${name}.weight`, out, inn)
  if (bias) yield needed(`${name}.bias`, out)
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
