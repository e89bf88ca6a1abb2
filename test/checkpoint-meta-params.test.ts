// params.json of Meta's own layout: what it means for the models that were published so, and what is refused.
import assert from 'node:assert/strict'
import type { LlamaConfig } from '../src/checkpoint/checkpoint.ts'
import { parseMetaParams } from '../src/checkpoint/meta/meta-params.ts'
import type { ErrorCode } from '../src/errors.ts'

const params = { dim: 8, multiple_of: 4, n_heads: 2, n_layers: 1, norm_eps: 1e-5, vocab_size: -1 }

describe("Meta's layout: params.json", () => {
  const llama1 = { multiple_of: 256, norm_eps: 1e-6, vocab_size: -1 }
  const llama2 = { ...llama1, norm_eps: 1e-5 }
  const llama3 = { norm_eps: 1e-5, rope_theta: 500_000, vocab_size: 128_256, n_kv_heads: 8 }
  const scaled = (factor: number): Partial<LlamaConfig> => ({
    ...{ contextLength: 131_072, ropeTheta: 500_000, eosTokenIds: [128_001, 128_008, 128_009] },
    ropeScaling: { type: 'llama3', factor, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
  })
  // What the hub's config.json says of the same models.
  const published: [name: string, json: object, rows: number, want: Partial<LlamaConfig>][] = [
    [
      'LLaMA 7B',
      { ...llama1, dim: 4096, n_heads: 32, n_layers: 32 },
      32_000,
      {
        intermediateSize: 11_008,
        kvHeads: 32,
        contextLength: 2048,
        rmsNormEps: 1e-6,
        vocabSize: 32_000,
        bosTokenId: 1,
        eosTokenIds: [2],
        ropeTheta: 10_000,
        ropeScaling: { type: 'default' },
      },
    ],
    [
      'LLaMA 13B',
      { ...llama1, dim: 5120, n_heads: 40, n_layers: 40 },
      32_000,
      { intermediateSize: 13_824, contextLength: 2048 },
    ],
    [
      'LLaMA 65B',
      { ...llama2, dim: 8192, n_heads: 64, n_layers: 80 },
      32_000,
      { intermediateSize: 22_016, contextLength: 2048 },
    ],
    [
      'Llama 2 7B',
      { ...llama2, dim: 4096, n_heads: 32, n_layers: 32 },
      32_000,
      { intermediateSize: 11_008, contextLength: 4096, rmsNormEps: 1e-5 },
    ],
    [
      'Llama 2 70B',
      {
        ...llama2,
        dim: 8192,
        multiple_of: 4096,
        ffn_dim_multiplier: 1.3,
        n_heads: 64,
        n_kv_heads: 8,
        n_layers: 80,
      },
      32_000,
      { intermediateSize: 28_672, kvHeads: 8, headDim: 128, contextLength: 4096 },
    ],
    [
      'Code Llama 34B',
      {
        ...llama2,
        dim: 8192,
        ffn_dim_multiplier: 1,
        n_heads: 64,
        n_kv_heads: 8,
        n_layers: 48,
        rope_theta: 1_000_000,
      },
      32_000,
      { intermediateSize: 22_016, contextLength: 16_384, ropeTheta: 1e6 },
    ],
    [
      'Code Llama 7B',
      { ...llama2, dim: 4096, n_heads: 32, n_layers: 32, rope_theta: 1_000_000 },
      32_016,
      { vocabSize: 32_016, bosTokenId: 1, contextLength: 16_384 },
    ],
    [
      'Llama 3 8B',
      { ...llama3, dim: 4096, n_heads: 32, n_layers: 32, multiple_of: 1024, ffn_dim_multiplier: 1.3 },
      128_256,
      {
        intermediateSize: 14_336,
        contextLength: 8192,
        ropeScaling: { type: 'default' },
        bosTokenId: 128_000,
      },
    ],
    [
      'Llama 3.1 405B',
      {
        ...llama3,
        dim: 16_384,
        n_heads: 128,
        n_layers: 126,
        multiple_of: 4096,
        ffn_dim_multiplier: 1.2,
        use_scaled_rope: true,
      },
      128_256,
      { intermediateSize: 53_248, ...scaled(8) },
    ],
    [
      'Llama 3.2 1B',
      {
        ...llama3,
        dim: 2048,
        n_heads: 32,
        n_layers: 16,
        multiple_of: 256,
        ffn_dim_multiplier: 1.5,
        use_scaled_rope: true,
      },
      128_256,
      { intermediateSize: 8192, headDim: 64, ...scaled(32) },
    ],
    [
      'Llama 3.2 3B',
      {
        ...llama3,
        dim: 3072,
        n_heads: 24,
        n_layers: 28,
        multiple_of: 256,
        ffn_dim_multiplier: 1,
        use_scaled_rope: true,
      },
      128_256,
      { intermediateSize: 8192, headDim: 128, ...scaled(32) },
    ],
    [
      'Mistral 7B v0.2',
      {
        dim: 4096,
        n_layers: 32,
        head_dim: 128,
        hidden_dim: 14_336,
        n_heads: 32,
        n_kv_heads: 8,
        norm_eps: 1e-5,
        vocab_size: 32_000,
        rope_theta: 1e6,
      },
      32_000,
      { intermediateSize: 14_336, kvHeads: 8 },
    ],
    [
      'fields in an object "model"',
      { model: { ...llama1, dim: 4096, n_heads: 32, n_layers: 32 } },
      32_000,
      { hiddenSize: 4096 },
    ],
    [
      'a length and a factor of its own',
      {
        ...llama2,
        dim: 8,
        n_heads: 2,
        n_layers: 1,
        max_seq_len: 77,
        use_scaled_rope: true,
        rope_scaling_factor: 16,
      },
      9,
      {
        vocabSize: 9,
        contextLength: 77,
        bosTokenId: undefined,
        eosTokenIds: [],
        ropeScaling: {
          type: 'llama3',
          factor: 16,
          lowFreqFactor: 1,
          highFreqFactor: 4,
          originalContextLength: 8192,
        },
      },
    ],
    [
      'null in the place of fields',
      { dim: 8, n_heads: 2, n_kv_heads: null, n_layers: 1, ffn_dim_multiplier: null, vision_chunk_size: -1 },
      9,
      { kvHeads: 2, intermediateSize: 256, contextLength: 4096 },
    ],
  ]
  for (const [name, json, rows, want] of published)
    it(`gives the config of ${name}`, () => {
      const warnings: string[] = []
      const config = parseMetaParams({ ...json }, 'params.json', () => rows, true, warnings)
      assert.deepEqual({ ...config, ...want }, config)
      assert.deepEqual(warnings, [])
    })

  it('warns of fields that it does not know', () => {
    const warnings: string[] = []
    parseMetaParams({ ...params, color: 'red' }, 'params.json', () => 10, true, warnings)
    assert.deepEqual(warnings, ['params.json: "color" = "red" is not known and ignored'])
  })

  const refused: [json: object, code: ErrorCode, message: RegExp][] = [
    [{ dim: undefined }, 'CHECKPOINT_CORRUPT', /^params\.json: no "dim"; expected a whole number/],
    [{ dim: '8' }, 'CHECKPOINT_CORRUPT', /"dim" is "8"/],
    [{ n_heads: 3 }, 'CHECKPOINT_CORRUPT', /"n_heads" is 3; which does not divide dim = 8/],
    [{ n_kv_heads: 3 }, 'CHECKPOINT_CORRUPT', /"n_kv_heads" is 3; which does not divide n_heads = 2/],
    [{ dim: 6 }, 'CHECKPOINT_CORRUPT', /"dim" is 6; heads of 3, which is odd/],
    [{ ffn_dim_multiplier: -1 }, 'CHECKPOINT_CORRUPT', /"ffn_dim_multiplier" is -1/],
    [{ multiple_of: 0 }, 'CHECKPOINT_CORRUPT', /"multiple_of" is 0/],
    [{ norm_eps: 0 }, 'CHECKPOINT_CORRUPT', /"norm_eps" is 0/],
    [{ vocab_size: -2 }, 'CHECKPOINT_CORRUPT', /"vocab_size" is -2/],
    [{ use_scaled_rope: 1 }, 'CHECKPOINT_CORRUPT', /"use_scaled_rope" is 1/],
    [{ moe: { num_experts: 8 } }, 'CHECKPOINT_UNSUPPORTED', /"moe" is .*; it does not run/],
    [{ quantization_args: { group_size: 32 } }, 'CHECKPOINT_UNSUPPORTED', /"quantization_args"/],
    [{ vision_chunk_size: 560 }, 'CHECKPOINT_UNSUPPORTED', /"vision_chunk_size" is 560/],
    [{ sliding_window: 4096 }, 'CHECKPOINT_UNSUPPORTED', /"sliding_window" is 4096/],
  ]
  for (const [json, code, message] of refused)
    it(`refuses ${JSON.stringify(json)}`, () =>
      assert.throws(() => parseMetaParams({ ...params, ...json }, 'params.json', () => 10, true, []), {
        code,
        message,
      }))
})
