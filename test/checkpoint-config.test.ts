// config.json of a Hugging Face directory: what it may say, what is refused and with which words.
import assert from 'node:assert/strict'
import type { LlamaConfig } from '../src/checkpoint/checkpoint.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import { openTiny, withFolder, writeFiles } from './checkpoint-files.ts'

describe('Hugging Face checkpoints: config.json', () => {
  const mistral = { architectures: ['MistralForCausalLM'], num_key_value_heads: 2 }
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
    [
      'a sliding window',
      { ...mistral, sliding_window: 16 },
      'CHECKPOINT_UNSUPPORTED',
      /"sliding_window" is 16; a window below max_position_embeddings = 32/,
    ],
    [
      'the default sliding window',
      { ...mistral, max_position_embeddings: 8192 },
      'CHECKPOINT_UNSUPPORTED',
      /no "sliding_window"; .*absent, which means 4096/,
    ],
    ['sliding layers', { layer_types: ['sliding_attention'] }, 'CHECKPOINT_UNSUPPORTED', /"layer_types"/],
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
