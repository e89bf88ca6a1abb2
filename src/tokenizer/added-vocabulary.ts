// Gives added tokens their ids: those that the tokenizer's own file lists, and those that its settings declare.
import type { AddedToken } from './added-tokens.ts'
import type { DeclaredToken } from './settings.ts'
import { addToken, type Vocabulary } from './vocabulary.ts'

/**
 * Adds declared tokens as the tokenizers library does: a text that is a token already keeps its id, another gets the next id
 * after those of the model and of the added tokens, whatever id the settings give it.
 * @param vocabulary holds the tokens of the model and the added ones; new tokens are entered
 * @param modelSize the number of the model's tokens without added ones
 */
export function withDeclared(
  added: readonly AddedToken[],
  declared: readonly DeclaredToken[],
  vocabulary: Vocabulary,
  modelSize: number,
): AddedToken[] {
  const byContent = new Map(added.map(token => [token.content, token]))
  let nextId = added.reduce((next, { id }) => Math.max(next, id + 1), modelSize)
  for (const { replaces, ...token } of declared) {
    const known = byContent.get(token.content)
    if (token.content === '') continue
    const id = known?.id ?? vocabulary.ids.get(token.content) ?? nextId
    nextId = Math.max(nextId, id + 1)
    addToken(vocabulary, token.content, id, 'a token of the settings beside it')
    const special = token.special || known?.special === true
    byContent.set(token.content, { ...(known && !replaces ? known : token), id, special })
  }
  return [...byContent.values()]
}
