// OpenbookQA: elementary science questions with four choices; test set (500), else validation (500).
import type { Row } from '../data/row.ts'
import type { ChoiceTask } from './task.ts'

export const openbookqa: ChoiceTask = {
  kind: 'choice',
  name: 'openbookqa',
  title: 'OBQA',
  data: { stems: ['test', 'validation', 'dev'] },
  sample: {
    card: row => {
      const { stem, texts, labels } = question(row)
      const [a, b, c, d] = texts
      return {
        id: row.id(),
        prompt: `${stem} Which is the correct answer? - (A) ${a} - (B) ${b} - (C) ${c} - (D) ${d}`,
        choices: texts,
        gold: row.label(
          'answerKey',
          labels.map(label => [label]),
        ),
      }
    },
  },
}

/** Reads the Hub's layout (question_stem, choices: { text, label }) or the original's (question: { stem, choices: [...] }). */
function question(row: Row): { stem: string; texts: string[]; labels: string[] } {
  const original = row.has('question') ? row.nested('question') : undefined
  const parts = original
    ? {
        stem: original.text('stem'),
        texts: original.list('choices').map(choice => choice.text('text')),
        labels: original.list('choices').map(choice => choice.text('label')),
      }
    : {
        stem: row.text('question_stem'),
        texts: row.nested('choices').texts('text'),
        labels: row.nested('choices').texts('label'),
      }
  if (parts.texts.length !== 4 || parts.labels.length !== 4) {
    throw row.wrong('choices', 'four texts with four labels', parts.texts)
  }
  return parts
}
