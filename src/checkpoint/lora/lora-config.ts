// adapter_config.json of PEFT: which modules have an adapter, of which rank and scale.
// Source of the rules: https://github.com/huggingface/peft, tuners/lora/config.py, tuners/tuners_utils.py
// (check_target_module_exists) and utils/other.py (get_pattern_key).

import { endsWithin } from '../../calls/time-limit.ts'
import { type Kind, kind, listOf, object, positiveNumber, text, wholeNumber } from '../../data/fields.ts'
import { MtLlamaError } from '../../errors.ts'
import { Fields } from '../fields.ts'
import type { JsonObject } from '../json.ts'

export interface LoraConfig {
  /** Whether the adapter is on a module, by its name in the model: model.layers.0.self_attn.q_proj. */
  targets(module: string): boolean
  /** The rank of a module's adapter, and the number that its product is multiplied with. */
  sizeOf(module: string): { rank: number; scale: number }
  /** Last parts of the names of modules that are saved whole. */
  modulesToSave: string[]
}

const names = kind(
  'a text or a list of texts',
  (value): value is string | string[] =>
    text.is(value) || (Array.isArray(value) && value.length <= MAX_NAMES && value.every(text.is)),
)
const rank = wholeNumber(1, 2 ** 16)

/** More names than any model has modules. */
const MAX_NAMES = 100_000

/** A name has some 40 characters; a pattern that takes longer for one is made to take for ever. */
const PATTERN_MS = 200

/** Fields that change what an adapter is, and the values of theirs that do not. */
const neutral: Readonly<Record<string, readonly unknown[]>> = {
  use_dora: [false],
  fan_in_fan_out: [false],
  lora_bias: [false],
  use_qalora: [false],
  use_bdlora: [false],
  layer_replication: [],
  trainable_token_indices: [],
  target_parameters: [],
  alora_invocation_tokens: [],
  arrow_config: [],
  // The others change the weights of the base first.
  init_lora_weights: [true, false, 'gaussian', 'eva', 'orthogonal'],
}

/** @throws CHECKPOINT_UNSUPPORTED, CHECKPOINT_CORRUPT */
export function parseLoraConfig(json: JsonObject, where: string): LoraConfig {
  const fields = new Fields(json, where)
  if (fields.get('peft_type') !== 'LORA')
    throw fields.unsupported('peft_type', 'adapters of the kind LORA are read')
  for (const [name, values] of Object.entries(neutral))
    if (!fields.isNull(name) && !values.includes(fields.get(name)))
      throw fields.unsupported(name, 'an adapter with it is not read')
  const ranks = patterns(fields, 'rank_pattern', rank)
  const alphas = patterns(fields, 'alpha_pattern', positiveNumber)
  const ownRank = fields.read('r', rank)
  const ownAlpha = fields.positive('lora_alpha', 8)
  const isRankStabilised = fields.boolean('use_rslora', false)
  const excluded = fields.isNull('exclude_modules') ? undefined : matcher(fields, 'exclude_modules')
  const included = matcher(fields, 'target_modules')
  const inLayers = layersOf(fields)
  return {
    targets: module => !excluded?.(module) && included(module) && inLayers(module),
    sizeOf(module) {
      const rank = ranks(module) ?? ownRank
      const alpha = alphas(module) ?? ownAlpha
      return { rank, scale: alpha / (isRankStabilised ? Math.sqrt(rank) : rank) }
    },
    modulesToSave: fields.read('modules_to_save', listOf(text, 'texts'), []),
  }
}

/** Whether a module is named: whole, by the end of its name, or by a pattern that fits the whole of it. */
function matcher(fields: Fields, name: string): (module: string) => boolean {
  const value = fields.read(name, names)
  if (Array.isArray(value)) {
    const listed = new Set(value)
    return module => endings(module).some(end => listed.has(end))
  }
  if (value === 'all-linear') return module => !/(^|\.)(lm_head|embed_tokens)$/.test(module)
  const pattern = compile(fields, name, value, '')
  return module => matches(fields, name, pattern, module)
}

/** a.b.c, b.c and c */
function endings(module: string): string[] {
  const parts = module.split('.')
  return parts.map((_, i) => parts.slice(i).join('.'))
}

/** The value of the first key that fits a module's name or its end. */
function patterns<Value>(
  fields: Fields,
  name: string,
  of: Kind<Value>,
): (module: string) => Value | undefined {
  const map = fields.read(name, object, {})
  const entries = Object.entries(map).map(([key, value]) => {
    if (!of.is(value)) throw fields.wrong(name, `${of.expected} for each key`)
    return { pattern: compile(fields, name, key, '(.*\\.)?'), value }
  })
  return module => entries.find(({ pattern }) => matches(fields, name, pattern, module))?.value
}

/** The layers that layers_to_transform names, or all. */
function layersOf(fields: Fields): (module: string) => boolean {
  if (fields.isNull('layers_to_transform')) return () => true
  if (
    !fields.isNull('layers_pattern') &&
    !['layers', '["layers"]'].includes(asText(fields.get('layers_pattern')))
  )
    throw fields.unsupported('layers_pattern', "LLaMA's layers are called layers")
  const layer = wholeNumber(0, 2 ** 24)
  const value = fields.get('layers_to_transform')
  const listed = new Set([value].flat())
  if (![...listed].every(layer.is))
    throw fields.wrong('layers_to_transform', 'a number of a layer, or a list of them')
  return module => listed.has(Number(/\.layers\.(\d+)\./.exec(module)?.[1] ?? Number.NaN))
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function compile(fields: Fields, name: string, pattern: string, before: string): RegExp {
  try {
    return new RegExp(`^(?:${before}(?:${pattern}))$`)
  } catch {
    throw fields.unsupported(name, `${pattern} is no pattern that is understood here`)
  }
}

function matches(fields: Fields, name: string, pattern: RegExp, module: string): boolean {
  let found = false
  const ended = endsWithin(PATTERN_MS, () => {
    found = pattern.test(module)
  })
  if (ended) return found
  throw new MtLlamaError(
    'CHECKPOINT_UNSUPPORTED',
    `${fields.where}: a pattern of "${name}" takes too long on ${module}`,
  )
}
