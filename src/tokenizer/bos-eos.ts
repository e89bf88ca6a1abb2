// Which tokens begin and end a text, by the settings beside the tokenizer, the template or custom.
import type { TokenizerSettings } from './settings.ts'

export interface BosAndEos {
  bosTokenId: number | undefined
  eosTokenId: number | undefined
  addBos: boolean
  /** What addSpecialTokens puts before a text. */
  prefix: number[]
}

/** Ends of text by the names LLaMA-like tokenizers give them, where there is no tokenizer_config.json to say. */
const usualEnds = ['</s>', '<|end_of_text|>', '<|endoftext|>']

/**
 * @param prefix what the post_processor puts before a text
 * @param ids of all tokens, those that the settings declare too
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
  // Where BOS is asked for and there is none, transformers adds none.
  const adds = !has && settings?.addBos === true && bosTokenId !== undefined
  return {
    ...{ bosTokenId, eosTokenId, addBos: has || adds },
    prefix: adds ? [bosTokenId, ...prefix] : prefix,
  }
}
