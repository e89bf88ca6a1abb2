// An example as token ids and which of them the loss is on.
import type { Slices } from '../calls/slices.ts'
import { MtLlamaError } from '../errors.ts'
import { strip } from '../templates/text.ts'
import { splitContinuation } from '../tokenizer/boundary.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

/**
 * `answer`: the loss is on the target's tokens, and on EOS; `release`: on all but the user's part of a conversation, as the
 * released training script has it, most of which is the same text in every example.
 */
export type Mask = 'answer' | 'release'

export interface EncodeExampleOptions {
  mask: Mask
  /** Tokens of an example at most. */
  maxLength: number
  /** Whether EOS follows the text. */
  eos: boolean
  /**
   * What becomes of an example that is longer, with `answer`: `cut` takes tokens from the input's end, so that the target
   * stays whole; `drop` leaves the example out. `release` cuts the end of the text, as the script does.
   */
  tooLong: 'cut' | 'drop'
}

export interface EncodedExample {
  /** [tokens] */
  ids: Int32Array
  /** [tokens] weight of the loss of predicting the token from those before it; the first one's is 0, for none are. */
  weights: Float32Array
  /** Tokens that were cut. */
  truncatedTokens: number
}

/** The text's parts, neither empty. */
export interface ExampleTexts {
  input: string
  target: string
}

/** @returns undefined for an example that is left out for its length */
export function* encodeExample(
  tokenizer: Tokenizer,
  texts: ExampleTexts,
  options: EncodeExampleOptions,
): Slices<EncodedExample | undefined> {
  const end = options.eos ? [endToken(tokenizer)] : []
  return options.mask === 'answer'
    ? yield* encodeAnswer(tokenizer, texts, end, options)
    : yield* encodeRelease(tokenizer, texts, end, options)
}

/** The input, a space and the target, cut into tokens as protocols of choices score it: BOS as the tokenizer has it. */
function* encodeAnswer(
  tokenizer: Tokenizer,
  { input, target }: ExampleTexts,
  end: readonly number[],
  { maxLength, tooLong }: EncodeExampleOptions,
): Slices<EncodedExample | undefined> {
  const { prefix, continuation } = yield* splitContinuation(tokenizer, input, ` ${target}`, 'joint')
  const { addBos, bosTokenId } = tokenizer
  const begin = addBos && bosTokenId !== undefined ? [bosTokenId] : []
  const scored = [...continuation, ...end]
  const room = maxLength - begin.length - scored.length
  if (prefix.length > room && (tooLong === 'drop' || room < 1)) return undefined
  const kept = prefix.slice(0, room)
  const before = begin.length + kept.length
  return {
    ids: Int32Array.from([...begin, ...kept, ...scored]),
    weights: weightsOf(before + scored.length, i => i >= before),
    truncatedTokens: prefix.length - kept.length,
  }
}

const system =
  "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions.\n\n"

/** The conversation of the released training script (design of the model card's authors), whose first token is `</s>`. */
function* encodeRelease(
  tokenizer: Tokenizer,
  { input, target }: ExampleTexts,
  end: readonly number[],
  { maxLength }: EncodeExampleOptions,
): Slices<EncodedExample> {
  const user = `${system}### USER: ${strip(input, 'both')}\n`
  const whole = yield* tokenizer.encodeSlices(`${user}### ASSISTANT: ${strip(target, 'both')}\n`)
  const masked = [
    1 + common(yield* tokenizer.encodeSlices(system), whole),
    1 + common(yield* tokenizer.encodeSlices(user), whole),
  ] as const
  const ids = Int32Array.from([endToken(tokenizer), ...whole, ...end])
  const kept = ids.slice(0, maxLength)
  return {
    ids: kept,
    weights: weightsOf(kept.length, i => i > 0 && !(i >= masked[0] && i < masked[1])),
    truncatedTokens: ids.length - kept.length,
  }
}

/** Tokens that two texts have in common from the beginning on. */
function common(a: readonly number[], b: readonly number[]): number {
  let i = 0
  while (i < a.length && a[i] === b[i]) i++
  return i
}

function weightsOf(length: number, isScored: (i: number) => boolean): Float32Array {
  return Float32Array.from({ length }, (_, i) => (i > 0 && isScored(i) ? 1 : 0))
}

/** @throws TRAINING */
function endToken({ eosTokenId }: Tokenizer): number {
  if (eosTokenId !== undefined) return eosTokenId
  throw new MtLlamaError(
    'TRAINING',
    'the tokenizer names no EOS token, which examples end with; train without (eos: false, mask: answer).',
  )
}
