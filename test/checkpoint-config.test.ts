// config.json of a Hugging Face directory: what it may say, what is refused and with which words.
import assert from 'node:assert/strict'
import type { LlamaConfig } from '../src/checkpoint/checkpoint.ts'
import { configJson } from '../src/checkpoint/huggingface/config-json.ts'
import { parseHfConfig } from '../src/checkpoint/huggingface/hf-config.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import { openTiny, tinyConfig, withFolder, writeFiles } from './checkpoint-files.ts'

/** What each architecture reads of config.json, as transformers' own configs do, without the weights. */
const parsed: [name: string, config: object, want: Partial<LlamaConfig>][] = [
  [
    'Mistral with a window',
    { architectures: ['MistralForCausalLM'], num_key_value_heads: 2, sliding_window: 16 },
    { windows: [16, 16, 16] },
  ],
  [
    'Mistral with the default window',
    {
      architectures: ['MistralForCausalLM'],
      num_attention_heads: 8,
      num_key_value_heads: undefined,
      hidden_size: 64,
      max_position_embeddings: 8192,
    },
    { windows: [4096, 4096, 4096], kvHeads: 8 },
  ],
  ['Qwen2', {}, { windows: [], qkvBias: true, headNorms: false, oBias: false, mlpBias: false, headDim: 4 }],
  ['Qwen2 with a window that is off', { sliding_window: 5, max_window_layers: 0 }, { windows: [] }],
  [
    'Qwen2 with a window that is on but null',
    { use_sliding_window: true, sliding_window: null, max_window_layers: 0 },
    { windows: [] },
  ],
  [
    'Qwen2 with no layer past max_window_layers',
    { use_sliding_window: true, sliding_window: 5 },
    { windows: [] },
  ],
  [
    'Qwen2 with windows from a layer on',
    { use_sliding_window: true, sliding_window: 5, max_window_layers: 1 },
    { windows: [32, 5, 5] },
  ],
  [
    'Qwen2 with windows of all layers',
    { use_sliding_window: true, sliding_window: 5, max_window_layers: 0 },
    { windows: [5, 5, 5] },
  ],
  [
    'Qwen2 with types of layers',
    {
      use_sliding_window: true,
      sliding_window: 5,
      layer_types: ['full_attention', 'sliding_attention', 'full_attention'],
    },
    { windows: [32, 5, 32] },
  ],
  [
    'Qwen2 with a window of the context',
    { use_sliding_window: true, sliding_window: 32, max_window_layers: 0 },
    { windows: [] },
  ],
  [
    'Qwen3',
    { architectures: ['Qwen3ForCausalLM'] },
    { headDim: 128, headNorms: true, qkvBias: false, oBias: false },
  ],
  [
    'Qwen3 with biases',
    { architectures: ['Qwen3ForCausalLM'], attention_bias: true },
    { qkvBias: true, oBias: true, mlpBias: false },
  ],
  [
    'Qwen3 with the default number of heads of keys',
    { architectures: ['Qwen3ForCausalLM'], num_attention_heads: 64, num_key_value_heads: undefined },
    { kvHeads: 32 },
  ],
  [
    'Qwen3 with the default context',
    { architectures: ['Qwen3ForCausalLM'], max_position_embeddings: undefined },
    { contextLength: 32_768 },
  ],
]
describe('config.json of architectures beside LLaMA', () => {
  for (const [name, config, want] of parsed) {
    const json = {
      ...{
        ...tinyConfig,
        architectures: ['Qwen2ForCausalLM'],
        num_hidden_layers: 3,
        num_key_value_heads: 2,
        ...config,
      },
    }
    it(`is read for ${name}`, () => {
      const warnings: string[] = []
      const own = parseHfConfig(JSON.parse(JSON.stringify(json)), 'config.json', warnings)
      assert.deepEqual({ ...own, ...want }, own)
      assert.deepEqual(warnings, [])
    })
    it(`is written for ${name} so that it reads the same`, () => {
      const own = parseHfConfig(JSON.parse(JSON.stringify(json)), 'config.json', [])
      const written = JSON.parse(JSON.stringify(configJson(own, 'float32', 'x.gguf')))
      assert.deepEqual(parseHfConfig(written, 'config.json', []), own)
      const types: Record<string, string> = { M: 'mistral', '2': 'qwen2', '3': 'qwen3' }
      assert.equal(written.model_type, types[own.architecture.replace('Qwen', '')[0]!])
    })
  }
})

describe('Hugging Face checkpoints: config.json', () => {
  const mistral = { architectures: ['MistralForCausalLM'], num_key_value_heads: 2 }
  const qwen2 = { architectures: ['Qwen2ForCausalLM'], num_key_value_heads: 2 }
  const qwen3 = { ...qwen2, architectures: ['Qwen3ForCausalLM'] }
  const windowed = { use_sliding_window: true, sliding_window: 5 }
  const accepted: [name: string, config: object, want: Partial<LlamaConfig>][] = [
    [
      'defaults',
      {},
      { kvHeads: 2, headDim: 4, rmsNormEps: 1e-6, ropeTheta: 10000, bosTokenId: undefined, eosTokenIds: [] },
    ],
    ['defaults of the head', {}, { tiedHead: false, qkvBias: false, oBias: false, mlpBias: false }],
    [
      'the context of old files',
      { max_position_embeddings: undefined, max_sequence_length: 2048 },
      { contextLength: 2048 },
    ],
    ['null key/value heads', { num_key_value_heads: null, head_dim: null }, { kvHeads: 2, headDim: 4 }],
    [
      'no special tokens',
      { bos_token_id: null, eos_token_id: null },
      { bosTokenId: undefined, eosTokenIds: [] },
    ],
    ['a list of ends', { eos_token_id: [3, 5] }, { eosTokenIds: [3, 5] }],
    ['theta inside rope_parameters', { rope_theta: 1, rope_parameters: { rope_theta: 5 } }, { ropeTheta: 5 }],
    [
      'rope_scaling before rope_parameters',
      { rope_scaling: { type: 'linear', factor: 2 }, rope_parameters: {} },
      { ropeScaling: { type: 'linear', factor: 2 } },
    ],
    ['pretraining_tp', { pretraining_tp: 2 }, {}],
    ['a whole partial_rotary_factor', { partial_rotary_factor: 1 }, {}],
    [
      'Mistral without a window',
      { ...mistral, sliding_window: null },
      { architecture: 'MistralForCausalLM' },
    ],
    ['Mistral with a window of the context', { ...mistral, sliding_window: 32 }, { kvHeads: 2 }],
    ['Mistral with the default window of 4096', mistral, { contextLength: 32 }],
  ]
  for (const [name, config, want] of accepted) {
    it(`takes ${name}`, async () => {
      const opened = await openTiny(config)
      assert.deepEqual({ ...opened.config, ...want }, opened.config)
      assert.deepEqual(opened.warnings, [])
    })
  }

  const refused: [name: string, config: object, code: ErrorCode, message: RegExp][] = [
    [
      'another architecture',
      { architectures: ['GPT2LMHeadModel'] },
      'CHECKPOINT_UNSUPPORTED',
      /config\.json: "architectures" is \["GPT2LMHeadModel"\]; LlamaForCausalLM/,
    ],
    ['no architecture', { architectures: undefined }, 'CHECKPOINT_UNSUPPORTED', /no "architectures"/],
    [
      'quantised weights',
      { quantization_config: { quant_method: 'gptq' } },
      'CHECKPOINT_UNSUPPORTED',
      /"quantization_config" is \{"quant_method":"gptq"\}/,
    ],
    [
      'another activation',
      { hidden_act: 'gelu' },
      'CHECKPOINT_UNSUPPORTED',
      /"hidden_act" is "gelu"; only silu/,
    ],
    [
      'partial rotation',
      { partial_rotary_factor: 0.5 },
      'CHECKPOINT_UNSUPPORTED',
      /"partial_rotary_factor" is 0\.5/,
    ],
    [
      'partial rotation inside',
      { rope_parameters: { partial_rotary_factor: 0.5 } },
      'CHECKPOINT_UNSUPPORTED',
      /config\.json, rope_parameters: "partial_rotary_factor" is 0\.5/,
    ],
    [
      'dynamic scaling',
      { rope_scaling: { type: 'dynamic', factor: 2 } },
      'CHECKPOINT_UNSUPPORTED',
      /config\.json, rope_scaling: "type" is "dynamic"; default, linear, llama3 and yarn run/,
    ],
    [
      'longrope scaling',
      { rope_parameters: { rope_type: 'longrope' } },
      'CHECKPOINT_UNSUPPORTED',
      /"rope_type" is "longrope"/,
    ],
    [
      'linear scaling without a factor',
      { rope_scaling: { type: 'linear' } },
      'CHECKPOINT_CORRUPT',
      /no "factor"/,
    ],
    ['yarn without a factor', { rope_scaling: { type: 'yarn' } }, 'CHECKPOINT_CORRUPT', /no "factor"/],
    [
      'llama3 with equal bands',
      { rope_scaling: { rope_type: 'llama3', factor: 2, low_freq_factor: 4, high_freq_factor: 4 } },
      'CHECKPOINT_CORRUPT',
      /"high_freq_factor" is 4; expected a number above low_freq_factor = 4/,
    ],
    [
      'scaling that is no object',
      { rope_scaling: 'linear' },
      'CHECKPOINT_CORRUPT',
      /"rope_scaling" is "linear"; expected an object/,
    ],
    ['sliding layers', { layer_types: ['sliding_attention'] }, 'CHECKPOINT_UNSUPPORTED', /"layer_types"/],
    ['chunked layers', { layer_types: ['chunked_attention'] }, 'CHECKPOINT_UNSUPPORTED', /"layer_types"/],
    [
      'a window of no position',
      { ...mistral, sliding_window: 0 },
      'CHECKPOINT_CORRUPT',
      /"sliding_window" is 0/,
    ],
    [
      'Qwen with too few types of layers',
      { ...qwen2, ...windowed, num_hidden_layers: 3, layer_types: ['full_attention'] },
      'CHECKPOINT_CORRUPT',
      /"layer_types" is .*; expected one for each of num_hidden_layers = 3/,
    ],
    [
      'Qwen with sliding layers and no window',
      { ...qwen2, layer_types: ['sliding_attention'] },
      'CHECKPOINT_CORRUPT',
      /"layer_types" .*use_sliding_window is not true/,
    ],
    [
      'Qwen with layers of another type',
      { ...qwen2, layer_types: ['linear_attention'] },
      'CHECKPOINT_UNSUPPORTED',
      /"layer_types" is \["linear_attention"\]; only full_attention and sliding_attention run/,
    ],
    ['Qwen3 with a null head', { ...qwen3, head_dim: null }, 'CHECKPOINT_CORRUPT', /"head_dim" is null/],
    [
      'Qwen2 without biases',
      { ...qwen2, attention_bias: false },
      'CHECKPOINT_UNSUPPORTED',
      /has biases of q, k/,
    ],
    [
      'Qwen3 with biases of the FFN',
      { ...qwen3, mlp_bias: true },
      'CHECKPOINT_UNSUPPORTED',
      /"mlp_bias" is true/,
    ],
    [
      'Mistral with biases',
      { ...mistral, attention_bias: true },
      'CHECKPOINT_UNSUPPORTED',
      /"attention_bias" is true/,
    ],
    [
      'no hidden size',
      { hidden_size: undefined },
      'CHECKPOINT_CORRUPT',
      /config\.json: no "hidden_size"; expected a whole number from 1/,
    ],
    ['a negative size', { vocab_size: -1 }, 'CHECKPOINT_CORRUPT', /"vocab_size" is -1/],
    ['a fraction', { num_hidden_layers: 1.5 }, 'CHECKPOINT_CORRUPT', /"num_hidden_layers" is 1\.5/],
    ['a size as text', { intermediate_size: '12' }, 'CHECKPOINT_CORRUPT', /"intermediate_size" is "12"/],
    [
      'an insane size',
      { max_position_embeddings: 1e12 },
      'CHECKPOINT_CORRUPT',
      /"max_position_embeddings" is 1000000000000; .* to 16777216/,
    ],
    [
      'layers whose windows would fill the memory',
      {
        architectures: ['MistralForCausalLM'],
        num_key_value_heads: 2,
        sliding_window: 8,
        num_hidden_layers: 2 ** 24,
      },
      'CHECKPOINT_CORRUPT',
      /"num_hidden_layers" is 16777216; .* to 65536/,
    ],
    [
      'heads that do not divide',
      { num_attention_heads: 3 },
      'CHECKPOINT_CORRUPT',
      /"num_attention_heads" is 3; which does not divide hidden_size = 8/,
    ],
    [
      'groups that do not divide',
      { num_attention_heads: 4, num_key_value_heads: 3 },
      'CHECKPOINT_CORRUPT',
      /"num_key_value_heads" is 3; which does not divide num_attention_heads = 4/,
    ],
    ['an odd head', { head_dim: 3 }, 'CHECKPOINT_CORRUPT', /"head_dim" is 3/],
    [
      'an epsilon of 0',
      { rms_norm_eps: 0 },
      'CHECKPOINT_CORRUPT',
      /"rms_norm_eps" is 0; expected a number above 0/,
    ],
    [
      'a flag as text',
      { tie_word_embeddings: 'yes' },
      'CHECKPOINT_CORRUPT',
      /"tie_word_embeddings" is "yes"; expected true or false/,
    ],
    ['an end that is no id', { eos_token_id: [2, -1] }, 'CHECKPOINT_CORRUPT', /"eos_token_id" is \[2,-1\]/],
  ]
  for (const [name, config, code, message] of refused) {
    it(`refuses ${name}`, () => assert.rejects(openTiny(config), { code, message }))
  }

  it('warns of fields it does not know, as they may change the numbers', async () => {
    const { warnings } = await openTiny({
      logit_scale: 2,
      rope_scaling: { type: 'linear', factor: 2, beta_fast: 1 },
    })
    assert.deepEqual(warnings.toSorted(), [
      'config.json, rope_scaling: "beta_fast" = 1 is not used by type linear',
      'config.json: "logit_scale" = 2 is not known and ignored',
    ])
  })

  const broken: [name: string, config: string, message: RegExp][] = [
    ['an empty file', '', /config\.json: not valid JSON/],
    ['half a file', '{"vocab_size": 1', /config\.json: not valid JSON/],
    ['a list', '[]', /config\.json: \[\], expected an object/],
    [
      'a key given twice',
      '{"vocab_size": 1, "vocab_\\u0073ize": 2}',
      /config\.json: the key "vocab_size" comes twice/,
    ],
    ['a nest', '['.repeat(100_000), /config\.json: nested deeper than 64/],
    ['an endless string', `{"${'\\"'.repeat(100_000)}`, /config\.json: not valid JSON/],
  ]
  for (const [name, config, message] of broken) {
    it(`refuses ${name} as config.json`, () =>
      withFolder(async dir => {
        writeFiles(dir, { 'config.json': config })
        await assert.rejects(openCheckpoint(dir), { code: 'CHECKPOINT_CORRUPT', message })
      }))
  }
})
