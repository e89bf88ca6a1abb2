// Sliding windows of attention in config.json: which layers have one, and how long it is.
import { list } from '../../data/fields.ts'
import type { Architecture } from '../checkpoint.ts'
import type { Fields } from '../fields.ts'

/** What transformers assumes where the fields are absent. */
const WINDOW = 4096
const MAX_WINDOW_LAYERS = 28

/**
 * The window of each layer: how many positions a token sees, its own the last of them. [] where every layer sees the
 * context, which a window of its length does too.
 *
 * Source of the rules: MistralConfig, Qwen2Config and Qwen3Config of transformers 5.24. Mistral's window is that of all
 * layers. Qwen's is off unless use_sliding_window says so, and then that of the layers which layer_types calls
 * sliding_attention, or without such a list of those from max_window_layers on.
 * @throws CHECKPOINT_UNSUPPORTED, CHECKPOINT_CORRUPT, naming file, field and value
 */
export function parseWindows(
  fields: Fields,
  architecture: Architecture,
  layers: number,
  contextLength: number,
): number[] {
  const isQwen = architecture === 'Qwen2ForCausalLM' || architecture === 'Qwen3ForCausalLM'
  const sliding = parseLayerTypes(fields, isQwen, layers)
  const isOn = isQwen ? fields.boolean('use_sliding_window', false) : architecture === 'MistralForCausalLM'
  const isNull = !fields.isAbsent('sliding_window') && fields.isNull('sliding_window')
  if (!isOn || isNull) {
    if (sliding?.includes(true) === true) {
      const why = isOn ? 'sliding_window is null' : 'use_sliding_window is not true'
      throw fields.corrupt('layer_types', `names sliding_attention, but ${why}`)
    }
    return []
  }
  const window = fields.size('sliding_window', WINDOW)
  if (window >= contextLength) return []
  const first = isQwen ? firstWindowed(fields) : 0
  const windows = Array.from({ length: layers }, (_, layer) =>
    (sliding?.[layer] ?? layer >= first) ? window : contextLength,
  )
  return windows.includes(window) ? windows : []
}

/** Reads for each layer whether its attention slides; undefined where there is no list. */
function parseLayerTypes(fields: Fields, isQwen: boolean, layers: number): boolean[] | undefined {
  if (fields.isNull('layer_types')) return undefined
  const types = fields.read('layer_types', list)
  const allowed = isQwen ? ['full_attention', 'sliding_attention'] : ['full_attention']
  if (!types.every(type => allowed.some(known => known === type))) {
    throw fields.unsupported('layer_types', `only ${allowed.join(' and ')} ${isQwen ? 'run' : 'runs'}`)
  }
  if (!isQwen) return undefined
  if (types.length !== layers) {
    throw fields.corrupt('layer_types', `expected one for each of num_hidden_layers = ${layers}`)
  }
  return types.map(type => type === 'sliding_attention')
}

/** max_window_layers, which may be 0. */
function firstWindowed(fields: Fields): number {
  return fields.get('max_window_layers') === 0 ? 0 : fields.size('max_window_layers', MAX_WINDOW_LAYERS)
}
