// Finds the tokens that begin and end a text: by the settings beside the tokenizer, by its post_processor, or by usage.
import type { TokenizerSettings } from './settings.ts'

export interface BosAndEos {
  bosTokenId: number | undefined
  eosTokenId: number | undefined
  addBos: boolean
  /** What addSpecialTokens puts before a text. */
  prefix: number[]
}

/** Texts of the token that ends a text in LLaMA-like tokenizers, tried in order where there is no tokenizer_config.json. */
const usualEnds = ['</s>', '<|end_of_text|>', '<|endoftext|>']

/**
 * @param prefix what the post_processor puts before a text
 * @param ids the ids of all tokens by their texts, those that the settings declare too
 */
export function bosAndEos(
  prefix: number[],
  ids: ReadonlyMap<string, number>,
  settings: TokenizerSettings | undefined,
): BosAndEos {
  const idOf = (text: string | null | undefined) =>
    text === undefined || text === null ? undefined : ids.get(text)
  const bosTokenId = idOf(settings?.bos) ?? prefix[0]
  const usualEnd = settings?.className === undefined ? usualEnds.find(text => ids.has(text)) : undefined
  const eosTokenId = idOf(settings?.eos === undefined ? usualEnd : settings.eos)
  const has = bosTokenId !== undefined && prefix.includes(bosTokenId)
  // A tokenizer without BOS adds none although it is asked to, as in transformers.
  const adds = !has && settings?.addBos === true && bosTokenId !== undefined
  return {
    ...{ bosTokenId, eosTokenId, addBos: has || adds },
    prefix: adds ? [bosTokenId, ...prefix] : prefix,
  }
}
