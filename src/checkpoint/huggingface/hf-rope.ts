// The rotary part of config.json: transformers 4's rope_theta and rope_scaling, transformers 5's rope_parameters.
import { shown } from '../../data/shown.ts'
import type { LlamaConfig, RopeScaling } from '../checkpoint.ts'
import type { Fields } from '../fields.ts'

/** Fields each type reads beside rope_theta and its own name; others are ignored with a warning, as transformers does. */
const scalingFields: Readonly<Record<RopeScaling['type'], string[]>> = {
  default: [],
  linear: ['factor'],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
  yarn: [
    'factor',
    'original_max_position_embeddings',
    'attention_factor',
    'mscale',
    'mscale_all_dim',
    'beta_fast',
    'beta_slow',
    'truncate',
  ],
  factors: [],
}

/**
 * Source of the rules: RotaryEmbeddingConfigMixin and ROPE_INIT_FUNCTIONS in transformers 5.23,
 * modeling_rope_utils.py. rope_scaling goes before rope_parameters, a theta inside them before rope_theta.
 */
export function parseRope(
  config: Fields,
  contextLength: number,
  warnings: string[],
): Pick<LlamaConfig, 'ropeTheta' | 'ropeScaling'> {
  refusePartial(config)
  const outerTheta = config.positive('rope_theta', 10_000)
  const name = ['rope_scaling', 'rope_parameters'].find(name => !config.isNull(name))
  if (name === undefined) return { ropeTheta: outerTheta, ropeScaling: { type: 'default' } }

  const rope = config.object(name)
  refusePartial(rope)
  const typeField = rope.isAbsent('rope_type') ? 'type' : 'rope_type'
  const type = rope.get(typeField) ?? 'default'
  const known = ['rope_theta', 'rope_type', 'type', 'partial_rotary_factor']
  const ropeScaling = parseScaling(config, rope, type, contextLength)
  if (ropeScaling === undefined) {
    throw rope.unsupported(typeField, 'default, linear, llama3 and yarn run')
  }
  for (const field of rope.names()) {
    if (!known.includes(field) && !scalingFields[ropeScaling.type].includes(field)) {
      warnings.push(
        `${rope.where}: "${field}" = ${shown(rope.get(field))} is not used by type ${ropeScaling.type}`,
      )
    }
  }
  return { ropeTheta: rope.positive('rope_theta', outerTheta), ropeScaling }
}

function parseScaling(
  config: Fields,
  rope: Fields,
  type: unknown,
  contextLength: number,
): RopeScaling | undefined {
  if (type === 'default') return { type }
  if (type === 'linear') return { type, factor: rope.positive('factor') }
  const original = config.isAbsent('original_max_position_embeddings') ? rope : config
  const originalContextLength = () => original.size('original_max_position_embeddings', contextLength)
  if (type === 'llama3') {
    const lowFreqFactor = rope.positive('low_freq_factor')
    const highFreqFactor = rope.positive('high_freq_factor')
    if (highFreqFactor <= lowFreqFactor) {
      throw rope.corrupt('high_freq_factor', `expected a number above low_freq_factor = ${lowFreqFactor}`)
    }
    const factor = rope.positive('factor')
    return { type, factor, lowFreqFactor, highFreqFactor, originalContextLength: originalContextLength() }
  }
  if (type === 'yarn') {
    const length = originalContextLength()
    const factor = rope.isAbsent('factor')
      ? rope.positive('factor')
      : rope.positive('factor', contextLength / length)
    return {
      type,
      factor,
      originalContextLength: length,
      betaFast: rope.positive('beta_fast', 32),
      betaSlow: rope.positive('beta_slow', 1),
      attentionFactor: rope.positive('attention_factor', yarnAttentionFactor(rope, factor)),
      truncate: rope.boolean('truncate', true),
    }
  }
  return undefined
}

/** mscale and mscale_all_dim count only where both are given and not 0. */
function yarnAttentionFactor(rope: Fields, factor: number): number {
  const scale = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1)
  const given = (name: string) => (rope.get(name) === 0 || rope.isNull(name) ? 0 : rope.positive(name))
  const [over, under] = [given('mscale'), given('mscale_all_dim')]
  return over !== 0 && under !== 0 ? scale(over) / scale(under) : scale(1)
}

function refusePartial(fields: Fields): void {
  if (fields.isNull('partial_rotary_factor') || fields.get('partial_rotary_factor') === 1) return
  throw fields.unsupported('partial_rotary_factor', 'only the rotation of whole heads runs')
}
