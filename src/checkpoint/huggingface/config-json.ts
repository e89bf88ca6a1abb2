// config.json for a checkpoint: the fields it came with, or the way back from hf-config.ts.

import { MtLlamaError } from '../../errors.ts'
import type { DType } from '../../native/types.ts'
import type { Architecture, LlamaConfig, RopeScaling } from '../checkpoint.ts'
import type { JsonObject } from '../json.ts'
import { ropeFrequencies } from '../rope.ts'

/**
 * The fields of the directory that a checkpoint was read from, known here or not, but for what writing it anew can change.
 * transformers keeps fields that it does not know too.
 */
export function keptConfigJson(json: JsonObject, config: LlamaConfig, dtype: DType): object {
  // transformers 5 writes dtype, 4 torch_dtype; each reads both.
  const names = ['dtype', 'torch_dtype'].filter(name => name in json)
  const dtypes = (names.length > 0 ? names : ['torch_dtype']).map(name => [name, dtype])
  // Adapters add rows to the vocabulary and give a tied head numbers of its own; so do files that hold such a head.
  const { vocabSize, tiedHead } = config
  return {
    ...json,
    ...(json.vocab_size !== vocabSize && { vocab_size: vocabSize }),
    ...((json.tie_word_embeddings ?? false) !== tiedHead && { tie_word_embeddings: tiedHead }),
    ...Object.fromEntries(dtypes),
  }
}

/**
 * In the style of transformers 4, which 5 reads too.
 * @param where begins the message of an error
 * @throws CHECKPOINT_UNSUPPORTED for rope_freqs that no scaling of transformers gives, and biases that no model there has
 */
export function configJson(config: LlamaConfig, dtype: DType, where: string): object {
  return {
    architectures: [config.architecture],
    model_type: modelTypes[config.architecture],
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    max_position_embeddings: config.contextLength,
    rms_norm_eps: shortest(config.rmsNormEps),
    rope_theta: shortest(config.ropeTheta),
    rope_scaling: ropeJson(config, where),
    tie_word_embeddings: config.tiedHead,
    ...biasesJson(config, where),
    ...windowsJson(config),
    hidden_act: 'silu',
    ...specialIds(config),
    torch_dtype: dtype,
  }
}

const modelTypes: Record<Architecture, string> = {
  LlamaForCausalLM: 'llama',
  MistralForCausalLM: 'mistral',
  Qwen2ForCausalLM: 'qwen2',
  Qwen3ForCausalLM: 'qwen3',
}

/** transformers' models have biases by config.json, or those that their code gives them: others would be left out. */
function biasesJson({ architecture, qkvBias, oBias, mlpBias }: LlamaConfig, where: string): object {
  const isQwen2 = architecture === 'Qwen2ForCausalLM'
  const isFixed = isQwen2 || architecture === 'MistralForCausalLM'
  const fits = isFixed ? qkvBias === isQwen2 && !oBias : qkvBias === oBias
  if (!fits || (mlpBias && architecture !== 'LlamaForCausalLM')) {
    const has = (bias: boolean) => (bias ? 'have biases' : 'have none')
    throw new MtLlamaError(
      'CHECKPOINT_UNSUPPORTED',
      `${where}: q, k and v ${has(qkvBias)}, outputs of attention ${has(oBias)}, layers of the MLP ${has(mlpBias)}; ` +
        `no config.json of a ${architecture} says so`,
    )
  }
  if (isFixed) return {}
  return { attention_bias: qkvBias, ...(architecture === 'LlamaForCausalLM' && { mlp_bias: mlpBias }) }
}

function windowsJson({ architecture, windows, contextLength }: LlamaConfig): object {
  const window = windows.find(window => window < contextLength) ?? null
  if (architecture === 'LlamaForCausalLM') return {}
  if (architecture === 'MistralForCausalLM') return { sliding_window: window }
  if (window === null) return { use_sliding_window: false, sliding_window: null }
  const layerTypes = windows.map(own => (own === window ? 'sliding_attention' : 'full_attention'))
  return {
    use_sliding_window: true,
    sliding_window: window,
    // transformers before 4.53 does not know layer_types.
    max_window_layers: layerTypes.indexOf('sliding_attention'),
    layer_types: layerTypes,
  }
}

/** generation_config.json. */
export function specialIds(config: LlamaConfig): object {
  const [eos, ...others] = config.eosTokenIds
  return {
    bos_token_id: config.bosTokenId ?? null,
    eos_token_id: others.length > 0 ? config.eosTokenIds : (eos ?? null),
  }
}

function ropeJson(config: LlamaConfig, where: string): object | null {
  const scaling = config.ropeScaling
  switch (scaling.type) {
    case 'default':
      return null
    case 'linear':
      return { rope_type: 'linear', factor: scaling.factor }
    case 'llama3':
      return {
        rope_type: 'llama3',
        factor: scaling.factor,
        low_freq_factor: scaling.lowFreqFactor,
        high_freq_factor: scaling.highFreqFactor,
        original_max_position_embeddings: scaling.originalContextLength,
      }
    case 'yarn':
      return {
        rope_type: 'yarn',
        factor: scaling.factor,
        original_max_position_embeddings: scaling.originalContextLength,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        attention_factor: scaling.attentionFactor,
        truncate: scaling.truncate,
      }
    case 'factors':
      return ropeJson({ ...config, ropeScaling: llama3FromFactors(config, scaling.factors, where) }, where)
  }
}

/** How far, relatively, a factor may be off: three roundings to float32 lie between it and its parameters. */
const FACTOR_TOLERANCE = 1e-5

/**
 * transformers has no table of factors, but llama.cpp makes its table from llama3 scaling: find the parameters that give
 * it. Only original / low and original / high matter, so that low and high can be LLaMA 3's 1 and 4.
 */
function llama3FromFactors(config: LlamaConfig, factors: Float32Array, where: string): RopeScaling {
  if (factors.every(factor => factor === 1)) return { type: 'default' }
  const factor = shortest(Math.max(...factors))
  const [low, high] = [1, 4]
  const plain = ropeFrequencies({ ...config, ropeScaling: { type: 'default' } }).frequencies
  // A pair between the two bands gives the length away; where there is none, many lengths give the same table.
  const lengths = Array.from({ length: 24 }, (_, power) => 2 ** power)
  for (const [i, own] of factors.entries()) {
    if (own === 1 || own >= factor * (1 - FACTOR_TOLERANCE)) continue
    const smooth = (1 / own - 1 / factor) / (1 - 1 / factor)
    lengths.unshift(Math.round(((2 * Math.PI) / plain[i]!) * (low + smooth * (high - low))))
  }
  for (const originalContextLength of lengths) {
    const scaling = {
      type: 'llama3',
      factor,
      lowFreqFactor: low,
      highFreqFactor: high,
      originalContextLength,
    } as const
    const { frequencies } = ropeFrequencies({ ...config, ropeScaling: scaling })
    const fits = factors.every((own, i) => Math.abs(plain[i]! / frequencies[i]! / own - 1) < FACTOR_TOLERANCE)
    if (fits) return scaling
  }
  throw new MtLlamaError(
    'CHECKPOINT_UNSUPPORTED',
    `${where}: "rope_freqs.weight" is no llama3 scaling, and a Hugging Face config.json has no other place for it`,
  )
}

/** The number of fewest digits that is the same float32: 1e-5 for 0.000009999999747378752. */
function shortest(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === Math.fround(value)) return short
  }
  return value
}
