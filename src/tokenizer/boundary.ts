// Finds where a continuation begins among the tokens of prompt + continuation.
import type { Slices } from '../calls/slices.ts'
import { pythonSpaces } from '../data/white-space.ts'
import type { EncodeOptions, Tokenizer } from './tokenizer.ts'

/**
 * Which tokens are the continuation's, where texts are joined. With p = encode(prompt) and w = encode(prompt + continuation):
 * - 'joint': w after the longest common prefix of p and w, so a token that merges across the boundary is scored;
 * - 'harness': w after the first length(p) tokens, white space at the end of the prompt moved to the continuation
 *   first (lm-evaluation-harness);
 * - 'separate': the continuation encoded by itself, one leading space dropped where the tokenizer adds one.
 *
 * After "The sky is " with its space, "blue" is scored as the token " blue" after "The sky is" by the first two, and by the third as
 * "blue" after a lone space, which texts rarely have: -4.7 and -13.1 with SmolLM2-135M.
 */
export type BoundaryRule = 'joint' | 'harness' | 'separate'

/**
 * Encodes a prompt and a continuation, without special tokens around them. The continuation's ids are empty where a rule
 * leaves nothing to it. A prompt is encoded once for all continuations that follow it one after the other.
 */
export function* splitContinuation(
  tokenizer: Tokenizer,
  prompt: string,
  continuation: string,
  rule: BoundaryRule,
  options: Pick<EncodeOptions, 'parseSpecial'> = {},
): Slices<{ prefix: number[]; continuation: number[] }> {
  if (rule === 'separate') {
    const alone = tokenizer.addsSpace && continuation.startsWith(' ') ? continuation.slice(1) : continuation
    return {
      prefix: [...(yield* encodePrompt(tokenizer, prompt, options))],
      continuation: yield* tokenizer.encodeSlices(alone, options),
    }
  }
  const before = rule === 'harness' ? prompt.slice(0, lengthBeforeSpace(prompt)) : prompt
  const prefix = yield* encodePrompt(tokenizer, before, options)
  const whole = yield* tokenizer.encodeSlices(prompt + continuation, options)
  if (rule === 'harness') return { prefix: [...prefix], continuation: whole.slice(prefix.length) }
  let common = 0
  while (common < prefix.length && prefix[common] === whole[common]) common++
  return { prefix: prefix.slice(0, common), continuation: whole.slice(common) }
}

/** Strips white space from the end, as Python's str.rstrip() does. */
function lengthBeforeSpace(prompt: string): number {
  let end = prompt.length
  while (end > 0 && pythonSpaces.test(prompt[end - 1]!)) end--
  return end
}

const lastPrompts = new WeakMap<
  Tokenizer,
  { prompt: string; parseSpecial: boolean | undefined; ids: number[] }
>()

function* encodePrompt(
  tokenizer: Tokenizer,
  prompt: string,
  { parseSpecial }: EncodeOptions,
): Slices<readonly number[]> {
  const last = lastPrompts.get(tokenizer)
  if (last?.prompt === prompt && last.parseSpecial === parseSpecial) return last.ids
  const ids = yield* tokenizer.encodeSlices(prompt, parseSpecial === undefined ? {} : { parseSpecial })
  lastPrompts.set(tokenizer, { prompt, parseSpecial, ids })
  return ids
}
