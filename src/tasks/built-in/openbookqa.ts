// OpenbookQA: elementary science questions with four choices; test set (500), else validation (500).
import type { Row } from '../../data/row.ts'
import type { ChoiceTask } from '../task.ts'

export type OpenbookqaFields = {
  question_stem: string
  /** Four of each. */
  choices: { text: string[]; label: string[] }
  answerKey: string
}

export const openbookqa: ChoiceTask<OpenbookqaFields> = {
  name: 'openbookqa',
  title: 'OBQA',
  data: { folder: 'openbookqa', stems: ['test', 'validation', 'dev'] },
  item: row => {
    const { stem, choices } = question(row)
    const gold = row.label(
      'answerKey',
      choices.label.map(label => [label]),
    )
    const answerKey = choices.label[gold]!
    return { id: row.id(), fields: { question_stem: stem, choices, answerKey }, gold }
  },
}

/** Reads the Hub's layout (question_stem, choices: { text, label }) or the original's (question: { stem, choices: [...] }). */
function question(row: Row): { stem: string; choices: OpenbookqaFields['choices'] } {
  const original = row.has('question') ? row.nested('question') : undefined
  const parts = original
    ? {
        stem: original.text('stem'),
        text: original.list('choices').map(choice => choice.text('text')),
        label: original.list('choices').map(choice => choice.text('label')),
      }
    : {
        stem: row.text('question_stem'),
        text: row.nested('choices').texts('text'),
        label: row.nested('choices').texts('label'),
      }
  const { stem, text, label } = parts
  if (text.length !== 4 || label.length !== 4) throw row.wrong('choices', 'four texts with four labels', text)
  return { stem, choices: { text, label } }
}
