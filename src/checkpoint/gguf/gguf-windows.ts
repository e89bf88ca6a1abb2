// Sliding windows of attention in a GGUF file's metadata: which layers have one, and how long it is.
import { shown } from '../../data/shown.ts'
import type { LlamaConfig } from '../checkpoint.ts'
import type { Fields } from '../fields.ts'

/** The keys, as gguf-py names them. */
export const windowKeys = {
  window: 'attention.sliding_window',
  pattern: 'attention.sliding_window_pattern',
} as const

/**
 * The window of each layer, as LlamaConfig has it. The pattern is a list of booleans, true for a layer with the window;
 * without it every layer has one.
 *
 * llama.cpp knows both keys for other architectures; those that run here it computes without a window. Its converter
 * writes neither key for them, so that a file that has them says what its model was trained with.
 * @param key the full name of a key of the model's architecture
 * @param warnings told what llama.cpp makes of the file
 * @throws CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED, naming file, key and value
 */
export function parseWindows(
  fields: Fields,
  key: (name: string) => string,
  { architecture, layers, contextLength }: Pick<LlamaConfig, 'architecture' | 'layers' | 'contextLength'>,
  warnings: string[],
): number[] {
  const [name, patternName] = [key(windowKeys.window), key(windowKeys.pattern)]
  const window = fields.isAbsent(name) || fields.get(name) === 0 ? contextLength : fields.size(name)
  const pattern = fields.get(patternName) ?? new Uint8Array(layers).fill(1)
  if (!(pattern instanceof Uint8Array)) {
    throw fields.unsupported(patternName, 'a list of booleans runs, one for each layer')
  }
  if (pattern.length !== layers) {
    throw fields.corrupt(patternName, `${key('block_count')} = ${layers} asks for ${layers} entries`)
  }
  if (window >= contextLength || !pattern.includes(1)) return []
  if (architecture === 'LlamaForCausalLM' && pattern.includes(0)) {
    throw fields.unsupported(patternName, "a LLaMA's layers all have a window or none has")
  }
  warnings.push(
    `${fields.where}: "${name}" = ${shown(window)} counts here; llama.cpp computes this architecture without a window, ` +
      `and scores otherwise what is longer than ${window} tokens`,
  )
  return Array.from(pattern, isWindowed => (isWindowed === 1 ? window : contextLength))
}
