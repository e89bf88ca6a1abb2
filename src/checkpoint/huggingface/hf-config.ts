// config.json of a Hugging Face directory, as transformers 5.24 reads it, in the styles of transformers 4 and 5.
import { shown } from '../../data/shown.ts'
import type { Architecture, LlamaConfig } from '../checkpoint.ts'
import { Fields } from '../fields.ts'
import type { JsonObject } from '../json.ts'
import { parseRope } from './hf-rope.ts'
import { parseWindows } from './hf-windows.ts'

/**
 * What transformers' config and model of each architecture assume where a field is absent: kvHeads undefined is as many as
 * heads, headDim undefined hiddenSize / heads. `biases` names the fields that say whether there are biases; where q, k and
 * v have them whatever the config says, qkvBias is true.
 */
const assumptions: Record<Architecture, Assumptions> = {
  LlamaForCausalLM: { contextLength: 2048, biases: ['attention_bias', 'mlp_bias'] },
  MistralForCausalLM: { contextLength: 131_072, kvHeads: 8, biases: [] },
  Qwen2ForCausalLM: { contextLength: 32_768, kvHeads: 32, biases: [], qkvBias: true },
  Qwen3ForCausalLM: {
    ...{ contextLength: 32_768, kvHeads: 32, headDim: 128, biases: ['attention_bias'], headNorms: true },
  },
}

interface Assumptions {
  contextLength: number
  kvHeads?: number
  headDim?: number
  biases: string[]
  qkvBias?: true
  headNorms?: true
}

/** Fields with no bearing on the numbers of a forward pass, and those read below: all others earn a warning. */
const knownFields = new Set(
  `architectures model_type vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads
  num_key_value_heads head_dim max_position_embeddings max_sequence_length rms_norm_eps rope_theta rope_scaling
  rope_parameters original_max_position_embeddings partial_rotary_factor tie_word_embeddings attention_bias mlp_bias
  hidden_act sliding_window use_sliding_window max_window_layers bos_token_id eos_token_id pad_token_id unk_token_id sep_token_id decoder_start_token_id
  torch_dtype dtype transformers_version transformers.js_config use_cache initializer_range pretraining_tp
  attention_dropout quantization_config layer_types is_llama_config rope_interleaved _name_or_path _attn_implementation
  _attn_implementation_autoset return_dict output_hidden_states output_attentions torchscript use_bfloat16
  is_encoder_decoder is_decoder add_cross_attention chunk_size_feed_forward id2label label2id problem_type
  tokenizer_class task_specific_params name_or_path`.split(/\s+/),
)

/**
 * @param where the file's name, which begins the message of an error
 * @param warnings fields that are not known are added here: transformers ignores them too
 * @throws CHECKPOINT_UNSUPPORTED, CHECKPOINT_CORRUPT, naming file, field and value
 */
export function parseHfConfig(json: JsonObject, where: string, warnings: string[]): LlamaConfig {
  const fields = new Fields(json, where)
  const architecture = parseArchitecture(fields)
  const assumed = assumptions[architecture]
  refuseUnsupported(fields, architecture)

  const hiddenSize = fields.size('hidden_size')
  const heads = fields.size('num_attention_heads')
  const kvHeads = fields.size(
    'num_key_value_heads',
    fields.isAbsent('num_key_value_heads') ? (assumed.kvHeads ?? heads) : heads,
  )
  if (heads % kvHeads !== 0) {
    throw fields.corrupt('num_key_value_heads', `which does not divide num_attention_heads = ${heads}`)
  }
  const ownHeadDim = assumed.headDim ?? hiddenSize / heads
  if (assumed.headDim !== undefined && fields.get('head_dim') === null) {
    throw fields.corrupt('head_dim', `transformers' ${architecture} takes no null`)
  }
  if (fields.isNull('head_dim') && !Number.isInteger(ownHeadDim)) {
    throw fields.corrupt('num_attention_heads', `which does not divide hidden_size = ${hiddenSize}`)
  }
  const headDim = fields.size('head_dim', ownHeadDim)
  if (headDim % 2 !== 0) throw fields.corrupt('head_dim', `${headDim} is odd; rotary positions turn pairs`)
  const contextLength = fields.size('max_position_embeddings', assumed.contextLength)
  const layers = fields.layers('num_hidden_layers')
  const bias = (name: string) => assumed.biases.includes(name) && fields.boolean(name, false)

  for (const name of Object.keys(json)) {
    if (!knownFields.has(name))
      warnings.push(`${where}: "${name}" = ${shown(json[name])} is not known and ignored`)
  }
  return {
    architecture,
    vocabSize: fields.size('vocab_size'),
    hiddenSize,
    intermediateSize: fields.size('intermediate_size'),
    layers,
    heads,
    kvHeads,
    headDim,
    contextLength,
    rmsNormEps: fields.positive('rms_norm_eps', 1e-6),
    ...parseRope(fields, contextLength, warnings),
    tiedHead: fields.boolean('tie_word_embeddings', false),
    windows: parseWindows(fields, architecture, layers, contextLength),
    qkvBias: assumed.qkvBias ?? bias('attention_bias'),
    headNorms: assumed.headNorms ?? false,
    oBias: bias('attention_bias'),
    mlpBias: bias('mlp_bias'),
    // LlamaConfig's defaults, 1 and 2, are any tokens of another vocabulary: no text begins with the one or ends with the other.
    bosTokenId: fields.tokenIds('bos_token_id')[0],
    eosTokenIds: fields.tokenIds('eos_token_id'),
  }
}

function parseArchitecture(fields: Fields): Architecture {
  const names = fields.get('architectures')
  const name = Array.isArray(names) && names.length === 1 ? names[0] : undefined
  const known = Object.keys(assumptions) as Architecture[]
  const found = known.find(architecture => architecture === name)
  if (found !== undefined) return found
  throw fields.unsupported('architectures', `${known.slice(0, -1).join(', ')} and ${known.at(-1)} run`)
}

function refuseUnsupported(fields: Fields, architecture: Architecture): void {
  if (!fields.isNull('quantization_config')) {
    throw fields.unsupported('quantization_config', 'quantised weights are read from GGUF only')
  }
  if (fields.get('hidden_act') !== undefined && fields.get('hidden_act') !== 'silu') {
    throw fields.unsupported('hidden_act', 'only silu runs')
  }
  // transformers' models have the biases that they have, whatever else the config says.
  const { biases, qkvBias } = assumptions[architecture]
  for (const name of ['attention_bias', 'mlp_bias']) {
    const has = name === 'attention_bias' && qkvBias === true
    if (!biases.includes(name) && fields.boolean(name, has) !== has) {
      const here = has ? 'has biases of q, k and v' : 'has no such biases'
      throw fields.unsupported(name, `transformers' ${architecture} ${here}`)
    }
  }
}

/** The ids that end a generation by generation_config.json. It counts in the place of config.json, also where it names none. */
export function generationEosIds(json: JsonObject, where: string): number[] {
  return new Fields(json, where).tokenIds('eos_token_id')
}
