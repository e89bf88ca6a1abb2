// What SQuAD, XQuAD, TyDiQA and MLQA share: rows of context, question and answers.
import type { Row } from '../../data/row.ts'
import type { Item } from '../task.ts'

export type ExtractiveQaFields = { context: string; question: string; answers: { text: string[] } }

/** The item of a row in the Hub's layout (answers: { text: [...] }) or in SQuAD's own (answers: [{ text }]). */
export function extractiveQaItem(row: Row): Item<ExtractiveQaFields, readonly string[]> {
  const text = row.isList('answers')
    ? row.list('answers').map(answer => answer.text('text'))
    : row.nested('answers').texts('text')
  if (text.length === 0) {
    throw row.wrong(
      'answers',
      'at least one gold answer (test sets are published without: use a labelled split)',
      text,
    )
  }
  const fields = { context: row.text('context'), question: row.text('question'), answers: { text } }
  return { id: row.id(), fields, gold: text }
}
