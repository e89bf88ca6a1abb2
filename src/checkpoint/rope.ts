// RoPE's inverse frequencies, with every scaling a checkpoint can ask for.
import type { LlamaConfig } from './checkpoint.ts'

export interface RopeTable {
  /** Radians per position of each pair of a head, [headDim / 2]. */
  frequencies: Float32Array
  /** Multiplies cos and sin. */
  attentionFactor: number
}

/**
 * f[i] = theta^(-2 i / headDim), i < headDim / 2, then scaled:
 * - linear: f / factor
 * - llama3: f where the wavelength 2 pi / f is below original / high, f / factor where it is above original / low,
 *   between them (1 - s) f / factor + s f with s = (original / wavelength - low) / (high - low)
 * - yarn: f e + f / factor (1 - e), where e falls from 1 to 0 between the pairs that turn betaFast and betaSlow times
 *   within the original context
 * - factors: f / factors
 *
 * Source: ROPE_INIT_FUNCTIONS of transformers 5.23, modeling_rope_utils.py (yarn: https://arxiv.org/abs/2309.00071);
 * factors: rope_freqs.weight of llama.cpp. Rounded to float32 where torch rounds: a last bit of a frequency, times
 * a position of thousands, is seen in the logits.
 */
export function ropeFrequencies(
  config: Pick<LlamaConfig, 'headDim' | 'ropeTheta' | 'ropeScaling'>,
): RopeTable {
  const { headDim, ropeTheta, ropeScaling: scaling } = config
  const periods = Float32Array.from({ length: headDim / 2 }, (_, i) => ropeTheta ** f32((2 * i) / headDim))
  const plain = periods.map(period => 1 / period)
  switch (scaling.type) {
    case 'default':
      return { frequencies: plain, attentionFactor: 1 }
    case 'linear':
      return { frequencies: plain.map(f => f / scaling.factor), attentionFactor: 1 }
    case 'factors':
      return { frequencies: plain.map((f, i) => f / scaling.factors[i]!), attentionFactor: 1 }
    case 'llama3':
      return { frequencies: plain.map(f => llama3(f, scaling)), attentionFactor: 1 }
    case 'yarn':
      return {
        frequencies: yarn(periods, headDim, ropeTheta, scaling),
        attentionFactor: scaling.attentionFactor,
      }
  }
}

type Scaling<T extends LlamaConfig['ropeScaling']['type']> = Extract<LlamaConfig['ropeScaling'], { type: T }>

const f32 = Math.fround

function llama3(f: number, scaling: Scaling<'llama3'>): number {
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalContextLength: original } = scaling
  const wavelength = f32(f32(1 / f) * f32(2 * Math.PI))
  if (wavelength > original / low) return f / factor
  if (wavelength < original / high) return f
  const s = f32(f32(f32(f32(1 / wavelength) * original) - low) / (high - low))
  return f32(f32(f32(1 - s) * f) / factor) + f32(s * f)
}

function yarn(periods: Float32Array, headDim: number, theta: number, scaling: Scaling<'yarn'>): Float32Array {
  const pairTurning = (times: number) =>
    (headDim * Math.log(scaling.originalContextLength / (times * 2 * Math.PI))) / (2 * Math.log(theta))
  const whole = scaling.truncate
  const fast = pairTurning(scaling.betaFast)
  const slow = pairTurning(scaling.betaSlow)
  const low = Math.max(whole ? Math.floor(fast) : fast, 0)
  const high = Math.min(whole ? Math.ceil(slow) : slow, headDim - 1)
  const width = low === high ? 0.001 : high - low
  return periods.map((period, i) => {
    const ramp = Math.min(Math.max(f32(f32(i - low) / width), 0), 1)
    const keep = f32(1 - ramp)
    const interpolated = f32(1 / f32(scaling.factor * period))
    return f32(interpolated * f32(1 - keep)) + f32(f32(1 / period) * keep)
  })
}
