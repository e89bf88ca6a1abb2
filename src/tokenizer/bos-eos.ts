// Which tokens begin and end a text, by tokenizer_config.json, the template or custom.
import { type Field, shown, tokenizerError } from './field.ts'

export interface BosAndEos {
  bosTokenId: number | undefined
  eosTokenId: number | undefined
  addBos: boolean
  /** What addSpecialTokens puts before a text. */
  prefix: number[]
}

/** Ends of text by the names LLaMA-like tokenizers give them, where no tokenizer_config.json says. */
const usualEnds = ['</s>', '<|end_of_text|>', '<|endoftext|>']

/**
 * @param prefix what the post_processor puts before a text
 * @param config tokenizer_config.json
 * @throws TOKENIZER where it names a token that is not there
 */
export function bosAndEos(
  prefix: number[],
  ids: ReadonlyMap<string, number>,
  config: Field | undefined,
): BosAndEos {
  const bosTokenId = namedToken('bos_token', ids, config) ?? prefix[0]
  const eosTokenId =
    namedToken('eos_token', ids, config) ?? usualEnds.map(text => ids.get(text)).find(id => id !== undefined)
  const has = bosTokenId !== undefined && prefix.includes(bosTokenId)
  if (has || config?.get('add_bos_token').boolean(false) !== true) {
    return { bosTokenId, eosTokenId, addBos: has, prefix }
  }
  if (bosTokenId === undefined) throw config.get('bos_token').error('a token, as add_bos_token is true')
  return { bosTokenId, eosTokenId, addBos: true, prefix: [bosTokenId, ...prefix] }
}

/** A token of tokenizer_config.json: its text, or an object with its text as `content`. */
function namedToken(
  name: string,
  ids: ReadonlyMap<string, number>,
  config: Field | undefined,
): number | undefined {
  const field = config?.get(name)
  if (field === undefined || field.missing) return undefined
  const text = typeof field.value === 'string' ? field.value : field.get('content').string()
  const id = ids.get(text)
  if (id === undefined)
    throw tokenizerError(field.file, `${name} is ${shown(text)}, which the tokenizer does not have`)
  return id
}
