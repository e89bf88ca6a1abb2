// A model in a GGUF file, as llama.cpp writes it: config from the metadata, ggml's tensor names, permuted q and k.

import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import { readableTypes } from '../../native/stored-types.ts'
import type { Architecture, Checkpoint, LlamaConfig, RopeScaling, TokenizerSource } from '../checkpoint.ts'
import { Fields } from '../fields.ts'
import { readExactly } from '../files.ts'
import { type Naming, namesIn, type StoredTensor, storedTypes, takeTensors } from '../tensors.ts'
import type { Gguf, GgufMetadata } from './gguf.ts'
import { endOfGenerationIds } from './gguf-ends.ts'
import { readGgufModel } from './gguf-split.ts'
import { parseWindows } from './gguf-windows.ts'

const TOKENIZER_PREFIX = 'tokenizer.ggml.'
/** The tensor with what the inverse frequencies of RoPE are divided by. */
export const ROPE_FREQS = 'rope_freqs.weight'

/** Architectures by llama.cpp's names. The keys of their numbers begin with those names. */
const architectures = {
  llama: 'LlamaForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
} as const

/** llama.cpp's name of an architecture. A Mistral is a LLaMA there. */
export const ggmlArchitectures: Readonly<Record<Architecture, keyof typeof architectures>> = {
  LlamaForCausalLM: 'llama',
  MistralForCausalLM: 'llama',
  Qwen2ForCausalLM: 'qwen2',
  Qwen3ForCausalLM: 'qwen3',
}

/** The metadata key of a number of the model's architecture. */
type Key = (name: string) => string

/** Keys of llama.cpp that change the pass in a way that does not run here, unless they are 0. */
const refusedKeys = [
  'expert_count',
  'attention.scale',
  'attention.clamp_kqv',
  'logit_scale',
  'residual_scale',
  'embedding_scale',
  'attn_logit_softcapping',
  'final_logit_softcapping',
  'rope.scaling.yarn_log_multiplier',
]

const knownKeys = new Set([
  ...refusedKeys,
  ...`vocab_size context_length embedding_length block_count feed_forward_length attention.head_count
  attention.head_count_kv attention.key_length attention.value_length attention.layer_norm_rms_epsilon
  attention.sliding_window attention.sliding_window_pattern expert_used_count tensor_data_layout rope.dimension_count rope.freq_base rope.scale_linear
  rope.scaling.type rope.scaling.factor rope.scaling.original_context_length rope.scaling.finetuned
  rope.scaling.attn_factor rope.scaling.yarn_ext_factor rope.scaling.yarn_beta_fast rope.scaling.yarn_beta_slow`.split(
    /\s+/,
  ),
])

/** Hugging Face's name of a part -> ggml's. */
const ggmlNames: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'self_attn.o_proj': 'attn_output',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
}

const fieldNames: Naming['fields'] = {
  vocabSize: 'vocab_size',
  hiddenSize: 'embedding_length',
  intermediateSize: 'feed_forward_length',
  layers: 'block_count',
  heads: 'attention.head_count',
  kvHeads: 'attention.head_count_kv',
  headDim: 'attention.key_length',
}

/**
 * @param file the model, or any of its parts
 * @throws CHECKPOINT_NOT_FOUND, CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED, TENSOR_MISSING, TENSOR_SHAPE
 */
export async function openGguf(file: string): Promise<Checkpoint> {
  const gguf = await readGgufModel(file)
  const [first, ...others] = gguf.files
  const where = basename(first!)
  const stored = new Map(gguf.tensors.map(tensor => [tensor.name, tensor]))
  const fields = new Fields(Object.fromEntries(gguf.metadata), where)
  const name = parseArchitecture(fields)
  const key: Key = part => `${name}.${part}`
  refuseUnsupported(fields, key)
  const warnings: string[] = []
  const config = parseConfig(fields, key, architectures[name], gguf, stored, warnings)
  const factors = stored.get(ROPE_FREQS)
  if (factors !== undefined) config.ropeScaling = await readRopeFactors(factors, config)

  for (const [tensorName, tensor] of stored)
    tensor.ropeInterleaved = isInterleaved(config.architecture, tensorName)
  const naming: Naming = {
    configFile: 'its metadata',
    fields: ownFieldNames(key),
    weights: others.length > 0 ? `${where} and its ${others.length} other parts` : where,
    format: 'GGUF',
    types: [...readableTypes().keys()],
    storedName: ggmlName,
  }
  const tensors = takeTensors(config, stored, naming)
  const used = new Set([...tensors.map(tensor => ggmlName(tensor.name)), ROPE_FREQS])
  const ignored = [...stored.keys()].filter(name => !used.has(name))
  const unknown = fields
    .names()
    .filter(field => field.startsWith(key('')) && !knownKeys.has(field.slice(key('').length)))
  const template = gguf.metadata.get('tokenizer.chat_template')
  return {
    format: 'gguf',
    path: file,
    config,
    tensors,
    ...storedTypes(tensors),
    tokenizer: ggufTokenizer(first!, gguf.metadata),
    chatTemplate: typeof template === 'string' ? template : undefined,
    chatTemplateFile: where,
    warnings: [
      ...warnings,
      ...unknown.map(name => `${where}: "${name}" = ${shown(fields.get(name))} is not known and ignored`),
      ...(ignored.length > 0 ? [`${where}: not used (${ignored.length}): ${shown(ignored)}`] : []),
    ],
  }
}

/** ggml's name of a tensor: model.layers.3.mlp.up_proj.weight is blk.3.ffn_up.weight. */
export const ggmlName = namesIn('blk.', ggmlNames)

/**
 * Whether rows of a tensor come in pairs that RoPE turns: llama.cpp permutes the rows of a LLaMA's q and k so, and rotates
 * the halves of Qwen's heads as Hugging Face does.
 * @param name ggml's
 */
export function isInterleaved(architecture: Architecture, name: string): boolean {
  return ggmlArchitectures[architecture] === 'llama' && /^blk\.\d+\.attn_[qk]\./.test(name)
}

function parseArchitecture(fields: Fields): keyof typeof architectures {
  const name = fields.get('general.architecture')
  const found = (Object.keys(architectures) as (keyof typeof architectures)[]).find(known => known === name)
  if (found !== undefined) return found
  throw fields.unsupported('general.architecture', 'llama, qwen2 and qwen3 run')
}

function ownFieldNames(key: Key): Naming['fields'] {
  const names = Object.entries(fieldNames).map(([field, name]) => [field, key(name)])
  return Object.fromEntries(names) as Naming['fields']
}

function refuseUnsupported(fields: Fields, key: Key): void {
  for (const name of refusedKeys.map(key)) {
    if (!fields.isAbsent(name) && fields.get(name) !== 0) throw fields.unsupported(name, 'it does not run')
  }
}

function parseConfig(
  fields: Fields,
  key: Key,
  architecture: Architecture,
  { metadata }: Gguf,
  stored: Map<string, StoredTensor>,
  warnings: string[],
): LlamaConfig {
  const tokens = metadata.get('tokenizer.ggml.tokens')
  const embedding = stored.get('token_embd.weight')
  const hiddenSize = fields.size(key('embedding_length'))
  const heads = fields.size(key('attention.head_count'))
  const kvHeads = fields.size(key('attention.head_count_kv'), heads)
  if (heads % kvHeads !== 0) {
    throw fields.corrupt(
      key('attention.head_count_kv'),
      `which does not divide ${key('attention.head_count')} = ${heads}`,
    )
  }
  if (fields.isAbsent(key('attention.key_length')) && hiddenSize % heads !== 0) {
    throw fields.corrupt(
      key('attention.head_count'),
      `which does not divide ${key('embedding_length')} = ${hiddenSize}`,
    )
  }
  const headDim = fields.size(key('attention.key_length'), hiddenSize / heads)
  if (headDim % 2 !== 0)
    throw fields.corrupt(key('attention.key_length'), `${headDim} is odd; RoPE turns pairs`)
  for (const name of ['attention.value_length', 'rope.dimension_count'].map(key)) {
    if (fields.size(name, headDim) !== headDim) {
      throw fields.unsupported(name, `only the size of a head, ${headDim}, runs`)
    }
  }
  const contextLength = fields.size(key('context_length'))
  const layers = fields.layers(key('block_count'))
  const windows = parseWindows(fields, key, { architecture, layers, contextLength }, warnings)
  const vocabSize = Array.isArray(tokens) ? tokens.length : embedding?.shape[0]
  return {
    // transformers' LLaMA has no window; its Mistral is a LLaMA that has one.
    architecture:
      architecture === 'LlamaForCausalLM' && windows.length > 0 ? 'MistralForCausalLM' : architecture,
    vocabSize: fields.size(key('vocab_size'), vocabSize),
    hiddenSize,
    intermediateSize: fields.size(key('feed_forward_length')),
    layers,
    heads,
    kvHeads,
    headDim,
    contextLength,
    rmsNormEps: fields.positive(key('attention.layer_norm_rms_epsilon')),
    ropeTheta: fields.positive(key('rope.freq_base'), 10_000),
    ropeScaling: parseRopeScaling(fields, key, contextLength),
    tiedHead: !stored.has('output.weight'),
    windows,
    qkvBias: architecture === 'Qwen2ForCausalLM' || stored.has('blk.0.attn_q.bias'),
    headNorms: architecture === 'Qwen3ForCausalLM',
    oBias: stored.has('blk.0.attn_output.bias'),
    mlpBias: stored.has('blk.0.ffn_gate.bias'),
    bosTokenId: fields.tokenIds(`${TOKENIZER_PREFIX}bos_token_id`)[0],
    eosTokenIds: endOfGenerationIds(fields),
  }
}

/**
 * Reads the scaling as llama.cpp does: without a type, a factor is linear; yarn's attention factor is 0.1 ln(factor) + 1
 * times its own.
 */
function parseRopeScaling(fields: Fields, key: Key, contextLength: number): RopeScaling {
  const legacy = fields.positive(key('rope.scale_linear'), 1)
  const factor = fields.positive(key('rope.scaling.factor'), legacy)
  const type = fields.get(key('rope.scaling.type')) ?? 'linear'
  if (type === 'none' || (type === 'linear' && factor === 1)) return { type: 'default' }
  if (type === 'linear') return { type, factor }
  if (type !== 'yarn') throw fields.unsupported(key('rope.scaling.type'), 'none, linear and yarn run')
  if (fields.positive(key('rope.scaling.yarn_ext_factor'), 1) !== 1) {
    throw fields.unsupported(key('rope.scaling.yarn_ext_factor'), 'only 1 runs')
  }
  const own = fields.positive(key('rope.scaling.attn_factor'), 1)
  return {
    type,
    factor,
    originalContextLength: fields.size(key('rope.scaling.original_context_length'), contextLength),
    betaFast: fields.positive(key('rope.scaling.yarn_beta_fast'), 32),
    betaSlow: fields.positive(key('rope.scaling.yarn_beta_slow'), 1),
    attentionFactor: own * (factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1),
    truncate: true,
  }
}

async function readRopeFactors(tensor: StoredTensor, config: LlamaConfig): Promise<RopeScaling> {
  const here = `${basename(tensor.file)}: "${ROPE_FREQS}"`
  const length = config.headDim / 2
  if (tensor.type !== 'F32' || tensor.shape.length !== 1 || tensor.shape[0] !== length) {
    const found = `${tensor.type} [${tensor.shape.join(', ')}]`
    throw new MtLlamaError('TENSOR_SHAPE', `${here} is ${found}; half a head asks for F32 [${length}]`)
  }
  if (config.ropeScaling.type !== 'default') {
    throw new MtLlamaError(
      'CHECKPOINT_UNSUPPORTED',
      `${here} comes with ${config.ropeScaling.type} scaling; one of them runs`,
    )
  }
  const handle = await open(tensor.file)
  try {
    const bytes = await readExactly(handle, tensor.offset, tensor.bytes, tensor.file)
    const factors = Float32Array.from({ length }, (_, i) => bytes.readFloatLE(4 * i))
    const bad = factors.find(factor => !(factor > 0 && factor < Infinity))
    if (bad !== undefined)
      throw new MtLlamaError('CHECKPOINT_CORRUPT', `${here} holds ${bad}; expected numbers above 0`)
    return { type: 'factors', factors }
  } finally {
    await handle.close()
  }
}

/** llama.cpp's names for a model without a vocabulary count as none. */
/** The tokenizer in a file's metadata. */
export function ggufTokenizer(file: string, metadata: GgufMetadata): TokenizerSource | undefined {
  const model = metadata.get('tokenizer.ggml.model') as string | undefined
  if ([undefined, 'none', 'no_vocab'].includes(model)) return undefined
  const own = [...metadata].filter(([key]) => key.startsWith(TOKENIZER_PREFIX))
  const named = new Map(own.map(([key, value]) => [key.slice(TOKENIZER_PREFIX.length), value]))
  return { kind: 'gguf', file, metadata: named }
}
