// params.json of Meta's own layout. Rules: ModelArgs of llama and llama-models, transformers' conversion of such checkpoints.
import { shown } from '../../data/shown.ts'
import type { LlamaConfig, RopeScaling } from '../checkpoint.ts'
import { Fields } from '../fields.ts'
import type { JsonObject } from '../json.ts'

/** Fields that are read, and those with no bearing on the numbers of a forward pass: all others earn a warning. */
const knownFields = new Set(
  `dim n_layers n_heads n_kv_heads vocab_size multiple_of ffn_dim_multiplier norm_eps rope_theta use_scaled_rope
  rope_scaling_factor max_seq_len max_batch_size head_dim hidden_dim model`.split(/\s+/),
)

/** The fields that do not run here. */
const refusedFields = [
  'moe',
  'moe_args',
  'quantization_args',
  'lora_args',
  'vision_model',
  'vision_chunk_size',
  'sliding_window',
]

/** BOS and the tokens that end a text in Meta's vocabularies, by their sizes. */
const specialIds = new Map<number | undefined, Pick<LlamaConfig, 'bosTokenId' | 'eosTokenIds'>>([
  [32_000, { bosTokenId: 1, eosTokenIds: [2] }],
  [32_016, { bosTokenId: 1, eosTokenIds: [2] }],
  [128_256, { bosTokenId: 128_000, eosTokenIds: [128_001, 128_008, 128_009] }],
])

/** LLaMA 3 was trained on positions below this; 3.1 and 3.2 scale RoPE to 16 times as many. */
const LLAMA3_CONTEXT = 8192

/**
 * @param rowsOfEmbedding of a model of this dim: the vocabulary where vocab_size is -1 or absent
 * @param hasOutput whether there is an output matrix beside the embedding
 * @throws CHECKPOINT_UNSUPPORTED, CHECKPOINT_CORRUPT, naming file, field and value
 */
export function parseMetaParams(
  json: JsonObject,
  where: string,
  rowsOfEmbedding: (dim: number) => number | undefined,
  hasOutput: boolean,
  warnings: string[],
): LlamaConfig {
  const outer = new Fields(json, where)
  const fields = outer.isNull('model') ? outer : outer.object('model')
  for (const name of refusedFields)
    if (!fields.isNull(name) && fields.get(name) !== -1) throw fields.unsupported(name, 'it does not run')
  for (const name of fields.names())
    if (!knownFields.has(name) && !refusedFields.includes(name))
      warnings.push(`${where}: "${name}" = ${shown(fields.get(name))} is not known and ignored`)

  const hiddenSize = fields.size('dim')
  const heads = fields.size('n_heads')
  const kvHeads = fields.size('n_kv_heads', heads)
  if (heads % kvHeads !== 0) throw fields.corrupt('n_kv_heads', `which does not divide n_heads = ${heads}`)
  if (fields.isNull('head_dim') && hiddenSize % heads !== 0)
    throw fields.corrupt('n_heads', `which does not divide dim = ${hiddenSize}`)
  const headDim = fields.size('head_dim', hiddenSize / heads)
  if (headDim % 2 !== 0)
    throw fields.corrupt('dim', `heads of ${headDim}, which is odd; rotary positions turn pairs`)
  const counted = fields.isNull('vocab_size') || fields.get('vocab_size') === -1
  const vocabSize = counted ? rowsOfEmbedding(hiddenSize) : fields.size('vocab_size')
  const { bosTokenId, eosTokenIds = [] } = specialIds.get(vocabSize) ?? {}
  return {
    architecture: 'LlamaForCausalLM',
    // Without an embedding to count, the tensor that is missing is the error.
    vocabSize: vocabSize ?? 1,
    hiddenSize,
    intermediateSize: fields.size('hidden_dim', intermediateSize(fields, hiddenSize)),
    layers: fields.layers('n_layers'),
    heads,
    kvHeads,
    headDim,
    contextLength: contextLength(fields, vocabSize, hiddenSize === 8192 && kvHeads === heads),
    rmsNormEps: fields.positive('norm_eps', 1e-5),
    ropeTheta: fields.positive('rope_theta', 10_000),
    ropeScaling: ropeScaling(fields, hiddenSize),
    tiedHead: !hasOutput,
    ...{ windows: [], headNorms: false, qkvBias: false, oBias: false, mlpBias: false },
    bosTokenId,
    eosTokenIds: [...eosTokenIds],
  }
}

/** Two thirds of 4 dim, times ffn_dim_multiplier, up to a multiple of multiple_of: FeedForward in llama's model.py. */
function intermediateSize(fields: Fields, hiddenSize: number): number {
  const unit = fields.size('multiple_of', 256)
  const twoThirds = Math.trunc((8 * hiddenSize) / 3)
  return unit * Math.ceil(Math.trunc(fields.positive('ffn_dim_multiplier', 1) * twoThirds) / unit)
}

/**
 * No file of Meta's states it; what else sets the versions apart does. Scaled RoPE is 3.1 and later; 3 has a vocabulary of
 * 128,256; Code Llama another theta; 1 another epsilon than 2, but for its largest model.
 * @param isLargestOfLlama1 65B: the heads of 2's model of this width share keys
 */
function contextLength(fields: Fields, vocabSize: number | undefined, isLargestOfLlama1: boolean): number {
  if (!fields.isNull('max_seq_len')) return fields.size('max_seq_len')
  if (fields.boolean('use_scaled_rope', false)) return 16 * LLAMA3_CONTEXT
  if (vocabSize === 128_256) return LLAMA3_CONTEXT
  if (fields.positive('rope_theta', 10_000) > 10_000) return 16_384
  return fields.positive('norm_eps', 1e-5) === 1e-6 || isLargestOfLlama1 ? 2048 : 4096
}

/** The scaling of llama-models' apply_scaling. The small models of 3.2, told by dim, stretch by 32, as their config.json says. */
function ropeScaling(fields: Fields, hiddenSize: number): RopeScaling {
  if (!fields.boolean('use_scaled_rope', false)) return { type: 'default' }
  const factor = fields.positive('rope_scaling_factor', hiddenSize < 4096 ? 32 : 8)
  return {
    type: 'llama3',
    factor,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalContextLength: LLAMA3_CONTEXT,
  }
}
