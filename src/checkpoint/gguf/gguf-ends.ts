// Which tokens end a generation of a GGUF model: by their keys and by their texts, as llama.cpp collects them.
import { endTexts, fillTexts } from '../../tokenizer/gguf-texts.ts'
import type { Fields } from '../fields.ts'

/** The keys, without `tokenizer.ggml.` before and `_token_id` after them. */
const keys = ['eos', 'eot', 'eom', 'fim_pad', 'fim_rep', 'fim_sep']

/** A file may lack the key of one of these, and still have the token by its text. */
const fillKeys = ['fim_pad', 'fim_rep', 'fim_sep'] as const

/**
 * Ids in the order eos, eot, eom, then as the vocabulary has them; each once.
 * @throws CHECKPOINT_CORRUPT for a key that holds no id
 */
export function endOfGenerationIds(fields: Fields): number[] {
  const ids = new Set(keys.flatMap(key => fields.tokenIds(`tokenizer.ggml.${key}_token_id`)))
  const tokens = fields.get('tokenizer.ggml.tokens')
  const idOf = new Map<unknown, number>()
  if (Array.isArray(tokens)) for (const [id, text] of tokens.entries()) idOf.set(text, id)
  for (const key of fillKeys) {
    if (!fields.isAbsent(`tokenizer.ggml.${key}_token_id`)) continue
    const found = fillTexts[key].map(text => idOf.get(text)).filter(id => id !== undefined)
    if (found.length > 0) ids.add(Math.min(...found))
  }
  for (const [text, id] of idOf) if (endTexts.has(text as string)) ids.add(id)
  const at = (text: string) => idOf.get(text) ?? -1
  const has = (text: string) => ids.has(at(text))
  // In these two families of vocabularies the token ends a part of an answer, not the answer.
  const hasCall = has('<|call|>') || has('<|calls|>')
  if (hasCall && (has('<|return|>') || has('<|flush|>'))) ids.delete(at('<|end|>'))
  if (has('<|tool_response>')) ids.delete(at('</s>'))
  return [...ids]
}
