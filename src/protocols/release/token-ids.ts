// The token ids of the release's prompts, and how its generation ends.

/** LLaMA's `</s>`, which the release makes the tokenizer's BOS. It does not end a generation. */
export const firstTokenId = 2
/** LLaMA's byte token of the newline, which ends a generation, alone. */
export const stopTokenId = 13
export const maxNewTokens = 64

/**
 * The first token, then the prompt's pieces, without an EOS.
 * @param pieces the prompt's ids as the tokenizer gives them, without special tokens around them
 * @param maxTokens cuts what is longer on the right; the first token counts
 */
export function releaseIds(pieces: readonly number[], maxTokens = Number.POSITIVE_INFINITY): number[] {
  return [firstTokenId, ...pieces.slice(0, maxTokens - 1)]
}
