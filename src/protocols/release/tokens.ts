// The token ids of the release's prompts, and the token that ends its texts.
import { MtLlamaError } from '../../errors.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { EncodedPrompt } from '../protocol.ts'

/** The tokens that the release has by their numbers in LLaMA's vocabulary. */
const llama = { first: { id: 2, text: '</s>' }, stop: { id: 13, text: '<0x0A>' } }

export interface ReleaseTokens {
  /** Begins each prompt, in the place of BOS. It does not end a text. */
  first: number
  /** Ends a text, alone. */
  stop: number
  /** Whether the vocabulary is LLaMA's, as far as these two tell. */
  isLlama: boolean
}

/**
 * LLaMA's `</s>` and newline, 2 and 13. In another vocabulary these numbers are other tokens: its own EOS and newline stand
 * in for them.
 * @throws TOKENIZER where it has none
 */
export function releaseTokens(tokenizer: Tokenizer): ReleaseTokens {
  const { first, stop } = llama
  const isLlama =
    tokenizer.vocabSize > stop.id && [first, stop].every(({ id, text }) => tokenizer.tokenText(id) === text)
  if (isLlama) return { first: first.id, stop: stop.id, isLlama }
  const newline = tokenizer.encode('\n').at(-1)
  const { eosTokenId } = tokenizer
  if (eosTokenId === undefined)
    throw unfit('has no EOS token', `begins each prompt with it (id ${first.id} of LLaMA's vocabulary)`)
  if (newline === undefined || tokenizer.decode([newline]) !== '\n')
    throw unfit('has no token for a newline alone', `ends texts at it (id ${stop.id} of LLaMA's vocabulary)`)
  return { first: eosTokenId, stop: newline, isLlama }
}

function unfit(what: string, use: string): MtLlamaError {
  return new MtLlamaError(
    'TOKENIZER',
    `the tokenizer ${what}; protocol release ${use}. Protocol card takes any tokenizer.`,
  )
}

/** LLaMA's `<unk>`. */
const unknownId = 0

/**
 * The text of ids without special tokens. `<unk>` gives no text either: the scripts declare "[UNK]" as special, which is no
 * piece of LLaMA's, so its id is that of `<unk>`.
 */
export function decodeRelease(ids: readonly number[], tokenizer: Tokenizer): string {
  const { isLlama } = releaseTokens(tokenizer)
  return tokenizer.decode(isLlama ? ids.filter(id => id !== unknownId) : ids)
}

/** What a reader of a run must know of its tokens. */
export function tokenNotes(tokenizer: Tokenizer): string[] {
  const { first, stop, isLlama } = releaseTokens(tokenizer)
  const named = (id: number) => `${id} (${tokenizer.tokenText(id)})`
  const notes = [
    `Each prompt begins with token ${named(first)} in the place of BOS; a text ends at token ${named(stop)} alone, or after ${maxNewTokens} tokens.`,
  ]
  if (!isLlama)
    notes.push(
      `The tokenizer is not LLaMA's: its own EOS and newline stand in for the release's tokens ${llama.first.id} (${llama.first.text}) and ${llama.stop.id} (${llama.stop.text}).`,
    )
  return notes
}

export const maxNewTokens = 64

/**
 * The first token, then the prompt's pieces, without an EOS.
 * @param maxTokens cuts what is longer on the right; the first token counts
 */
export function encodeReleasePrompt(
  prompt: string,
  tokenizer: Tokenizer,
  maxTokens = Number.POSITIVE_INFINITY,
): EncodedPrompt {
  const ids = [releaseTokens(tokenizer).first, ...tokenizer.encode(prompt)]
  const truncatedTokens = Math.max(ids.length - maxTokens, 0)
  return { ids: ids.slice(0, ids.length - truncatedTokens), truncatedTokens }
}
