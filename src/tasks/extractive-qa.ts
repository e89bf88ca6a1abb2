// What SQuAD, XQuAD, TyDiQA and MLQA share: the card's prompt, and rows of context, question and answers.
import type { Row } from '../data/row.ts'
import type { AnswerSample } from './task.ts'

/** The prompt of protocol card. The texts go in raw, so a question's own mark gives "?.". */
export function extractiveQaPrompt(question: string, context: string): string {
  return `Answer the question according to the context. Question: ${question}. Context: ${context}. Answer:`
}

/** The sample of a row in the Hub's layout (answers: { text: [...] }) or in SQuAD's own (answers: [{ text }]). */
export function extractiveQaSample(row: Row): AnswerSample {
  const answers = row.isList('answers')
    ? row.list('answers').map(answer => answer.text('text'))
    : row.nested('answers').texts('text')
  if (answers.length === 0) {
    throw row.wrong(
      'answers',
      'at least one gold answer (test sets are published without: use a labelled split)',
      answers,
    )
  }
  return { id: row.id(), prompt: extractiveQaPrompt(row.text('question'), row.text('context')), answers }
}
