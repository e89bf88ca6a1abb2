// Compares RoPE's frequencies with values computed by transformers 5.23 and torch 2.13 (LlamaRotaryEmbedding.inv_freq).
import assert from 'node:assert/strict'
import { parseHfConfig } from '../src/checkpoint/huggingface/hf-config.ts'
import { ropeFrequencies } from '../src/checkpoint/rope.ts'
import { tinyConfig } from './checkpoint-files.ts'

interface Row {
  config: object
  frequencies: number[]
  attentionFactor: number
}

const yarn = {
  rope_type: 'yarn',
  rope_theta: 10000,
  factor: 40,
  original_max_position_embeddings: 1024,
  mscale: 0.75,
}

const rows: Record<string, Row> = {
  default: {
    config: { head_dim: 16, rope_parameters: { rope_type: 'default', rope_theta: 10000 } },
    frequencies: [
      1, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786, 0.00100000005, 0.000316227786,
    ],
    attentionFactor: 1,
  },
  'theta outside, as transformers 4 writes it': {
    config: { head_dim: 16, rope_theta: 10000, rope_scaling: null },
    frequencies: [
      1, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786, 0.00100000005, 0.000316227786,
    ],
    attentionFactor: 1,
  },
  linear: {
    config: { head_dim: 8, rope_parameters: { rope_type: 'linear', rope_theta: 500000, factor: 3 } },
    frequencies: [0.333333343, 0.0125353439, 0.000471404492, 1.77276524e-5],
    attentionFactor: 1,
  },
  'linear, under the old key "type"': {
    config: { head_dim: 8, rope_theta: 500000, rope_scaling: { type: 'linear', factor: 3 } },
    frequencies: [0.333333343, 0.0125353439, 0.000471404492, 1.77276524e-5],
    attentionFactor: 1,
  },
  llama3: {
    config: {
      head_dim: 32,
      rope_parameters: {
        rope_type: 'llama3',
        rope_theta: 500000,
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    },
    frequencies: [
      1, 0.440366626, 0.193922758, 0.0853971019, 0.0376060307, 0.0165604409, 0.00729266508, 0.00321144611,
      0.000524846022, 7.78465546e-5, 3.42810235e-5, 1.50962178e-5, 6.64786967e-6, 2.92749974e-6,
      1.28917316e-6, 5.6770881e-7,
    ],
    attentionFactor: 1,
  },
  'llama3 whose original length is max_position_embeddings': {
    config: {
      head_dim: 16,
      max_position_embeddings: 128,
      rope_parameters: {
        rope_type: 'llama3',
        rope_theta: 10000,
        factor: 32,
        low_freq_factor: 1,
        high_freq_factor: 4,
      },
    },
    frequencies: [
      1, 0.316227764, 0.0366173759, 0.000988211832, 0.000312499993, 9.88211832e-5, 3.12500015e-5,
      9.88211832e-6,
    ],
    attentionFactor: 1,
  },
  yarn: {
    config: {
      head_dim: 16,
      rope_parameters: {
        rope_type: 'yarn',
        rope_theta: 10000,
        factor: 4,
        original_max_position_embeddings: 64,
      },
    },
    frequencies: [
      1, 0.237170815, 0.049999997, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012,
      7.90569466e-5,
    ],
    attentionFactor: 1.138629436111989,
  },
  'yarn with mscale and mscale_all_dim': {
    config: {
      head_dim: 16,
      rope_parameters: {
        ...yarn,
        mscale_all_dim: 1.2,
      },
    },
    frequencies: [
      1, 0.316227764, 0.0756250024, 0.0162066743, 0.00268749986, 7.90569466e-5, 2.49999994e-5, 7.90569447e-6,
    ],
    attentionFactor: 0.8849355089824147,
  },
  'yarn with an attention factor, betas, and no truncation': {
    config: {
      head_dim: 16,
      rope_parameters: {
        ...yarn,
        attention_factor: 1.5,
        beta_fast: 16,
        beta_slow: 2,
        truncate: false,
      },
    },
    frequencies: [
      1, 0.316227764, 0.100000001, 0.0148255136, 0.000250000012, 7.90569466e-5, 2.49999994e-5, 7.90569447e-6,
    ],
    attentionFactor: 1.5,
  },
  'yarn with factor null and an original length outside': {
    config: {
      head_dim: 16,
      max_position_embeddings: 4096,
      original_max_position_embeddings: 512,
      rope_parameters: { rope_type: 'yarn', rope_theta: 10000, factor: null, mscale: 1 },
    },
    frequencies: [
      1, 0.247052938, 0.0562500022, 0.01087033, 0.00124999997, 0.000395284733, 0.000125000006, 3.95284733e-5,
    ],
    attentionFactor: 1.2079441541679836,
  },
}

describe('ropeFrequencies', () => {
  for (const [name, row] of Object.entries(rows)) {
    it(name, () => {
      const warnings: string[] = []
      const table = ropeFrequencies(parseHfConfig({ ...tinyConfig, ...row.config }, 'config.json', warnings))
      assert.deepEqual(warnings, [])
      assert.equal(table.attentionFactor, row.attentionFactor)
      assert.equal(table.frequencies.length, row.frequencies.length)
      for (const [i, want] of row.frequencies.entries()) {
        // Up to two units in the last place of float32 may differ, since torch's pow is not correctly rounded.
        const got = table.frequencies[i]!
        assert.ok(Math.abs(got - want) <= want * 2 ** -22, `frequency ${i} is ${got}, want ${want}`)
      }
    })
  }

  it('divides by the factors of a GGUF', () => {
    const ropeScaling = { type: 'factors', factors: Float32Array.of(2, 4) } as const
    const table = ropeFrequencies({ headDim: 4, ropeTheta: 10000, ropeScaling })
    assert.deepEqual([...table.frequencies], [1 / 2, Math.fround(0.01) / 4])
    assert.equal(table.attentionFactor, 1)
  })
})
