// Changes the space before a text where the settings beside a tokenizer.json say otherwise than the file.
import { Field } from './field.ts'
import type { TokenizerSettings } from './settings.ts'

/** The classes of transformers that spell a space \u2581, and those that use GPT-2's byte alphabet. */
const pieceClasses = ['LlamaTokenizer', 'CodeLlamaTokenizer']
const byteClasses = ['GPT2Tokenizer', 'Qwen2Tokenizer']

/**
 * Returns the file with the space that its settings ask for, and whether a Prepend in it is for the beginning of the text
 * alone. Only classes of transformers that know add_prefix_space and legacy heed them; PreTrainedTokenizerFast
 * takes the file as it is.
 */
export function withPrefixSpace(
  root: Field,
  settings: TokenizerSettings | undefined,
): { root: Field; prependsAtStart: boolean } {
  const { className = '', addPrefixSpace, legacy } = settings ?? {}
  const file = root.object()
  const changed = (steps: object) => new Field(root.file, root.path, { ...file, ...steps })
  const isByteLevel = stepsOf(file.pre_tokenizer).some(step => step.type === 'ByteLevel')
  if (isByteLevel && byteClasses.includes(className)) {
    const preTokenizer = withStep(file.pre_tokenizer, step =>
      step.type === 'ByteLevel' ? { ...step, add_prefix_space: addPrefixSpace ?? false } : step,
    )
    return { root: changed({ pre_tokenizer: preTokenizer }), prependsAtStart: false }
  }
  if (isByteLevel || !pieceClasses.includes(className)) return { root, prependsAtStart: false }
  const scheme = legacy ? 'always' : 'first'
  if (addPrefixSpace !== undefined)
    return { root: changed(pieceSteps(addPrefixSpace ? scheme : 'never')), prependsAtStart: false }
  if (legacy === undefined) return { root, prependsAtStart: false }
  const preTokenizer = withStep(file.pre_tokenizer, step => {
    const adds = step.prepend_scheme !== 'never' && step.add_prefix_space !== false
    return step.type === 'Metaspace' && adds ? { ...step, prepend_scheme: scheme } : step
  })
  return { root: changed({ pre_tokenizer: preTokenizer }), prependsAtStart: !legacy }
}

type Step = Record<string, unknown>

/** The step itself, or the steps of a Sequence. */
function stepsOf(step: unknown): Step[] {
  if (typeof step !== 'object' || step === null) return []
  const { pretokenizers } = step as Step
  return Array.isArray(pretokenizers) ? pretokenizers.flatMap(stepsOf) : [step as Step]
}

/** Changes the step, or each step of a Sequence. */
function withStep(step: unknown, change: (step: Step) => Step): unknown {
  if (typeof step !== 'object' || step === null) return step
  const { pretokenizers } = step as Step
  if (!Array.isArray(pretokenizers)) return change(step as Step)
  return { ...step, pretokenizers: pretokenizers.map(one => withStep(one, change)) }
}

/** The steps around the model that LlamaTokenizer makes of add_prefix_space, whatever the file holds. */
function pieceSteps(scheme: 'always' | 'first' | 'never'): object {
  const space = '\u2581'
  const decoders = [
    { type: 'Replace', pattern: { String: space }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(scheme === 'never' ? [] : [{ type: 'Strip', content: ' ', start: 1, stop: 0 }]),
  ]
  return {
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: space, prepend_scheme: scheme, split: false },
    decoder: { type: 'Sequence', decoders },
  }
}
