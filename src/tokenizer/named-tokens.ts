// The special tokens that a chat template prints by name, as transformers and llama.cpp give them to it.

/**
 * @param own texts that the tokenizer's own file has
 * @param said what the files beside it say, which goes before; null: that there is none
 */
export function namedTokens(
  own: Readonly<Record<string, string | undefined>>,
  said: ReadonlyMap<string, string | null> = new Map(),
): ReadonlyMap<string, string> {
  const texts = new Map<string, string>()
  for (const [name, text] of [...Object.entries(own), ...said]) {
    if (typeof text === 'string') texts.set(name, text)
    else texts.delete(name)
  }
  return texts
}
