// The space before a text, where the settings beside a tokenizer.json say otherwise than the file.
import { Field } from './field.ts'
import type { TokenizerSettings } from './settings.ts'

/** Classes of transformers that spell a space ▁, and those of GPT-2's byte alphabet. */
const pieceClasses = ['LlamaTokenizer', 'CodeLlamaTokenizer']
const byteClasses = ['GPT2Tokenizer', 'Qwen2Tokenizer']

/**
 * The file with the space that its settings ask for. Only classes of transformers that know add_prefix_space heed it;
 * PreTrainedTokenizerFast takes the file as it is.
 */
export function withPrefixSpace(root: Field, settings: TokenizerSettings | undefined): Field {
  if (settings === undefined) return root
  const { className, addPrefixSpace, legacy } = settings
  const preTokenizer = root.get('pre_tokenizer')
  const isByteLevel = JSON.stringify(preTokenizer.value ?? null).includes('"ByteLevel"')
  if (byteClasses.includes(className) && isByteLevel) {
    const spaced = withByteLevelSpace(preTokenizer.value, addPrefixSpace ?? false)
    return new Field(root.file, root.path, { ...root.object(), pre_tokenizer: spaced })
  }
  if (!pieceClasses.includes(className) || isByteLevel || addPrefixSpace === undefined) return root
  return new Field(root.file, root.path, { ...root.object(), ...pieceSteps(addPrefixSpace, legacy ?? false) })
}

/** Every ByteLevel step with add_prefix_space as given. */
function withByteLevelSpace(step: unknown, spaced: boolean): unknown {
  if (Array.isArray(step)) return step.map(one => withByteLevelSpace(one, spaced))
  if (typeof step !== 'object' || step === null) return step
  if ('type' in step && step.type === 'ByteLevel') return { ...step, add_prefix_space: spaced }
  return 'pretokenizers' in step
    ? { ...step, pretokenizers: withByteLevelSpace(step.pretokenizers, spaced) }
    : step
}

/** The steps around the model that LlamaTokenizer makes by its settings, whatever the file holds. */
function pieceSteps(spaced: boolean, legacy: boolean): object {
  const space = '▁'
  const scheme = legacy ? 'always' : 'first'
  const decoders = [
    { type: 'Replace', pattern: { String: space }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(spaced ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ]
  return {
    normalizer: null,
    pre_tokenizer: {
      type: 'Metaspace',
      replacement: space,
      prepend_scheme: spaced ? scheme : 'never',
      split: false,
    },
    decoder: { type: 'Sequence', decoders },
  }
}
