// COPA: which of two sentences is the cause, or the effect, of another? Validation set (100).
import type { Row } from '../data/row.ts'
import type { ChoiceTask } from './task.ts'

export const copa: ChoiceTask = {
  kind: 'choice',
  name: 'copa',
  title: 'COPA',
  data: { stems: ['validation', 'val', 'dev', 'test'] },
  sample: {
    card: row => {
      const choices = [row.text('choice1'), row.text('choice2')]
      return {
        id: row.id(),
        prompt: `${row.text('premise')} ${link(row)} Help me pick the more plausible option: - ${choices[0]} - ${choices[1]}`,
        choices,
        gold: row.label('label', [['0'], ['1']]),
      }
    },
  },
}

function link(row: Row): string {
  const links = ['This happened because...', 'As a consequence...']
  return links[row.label('question', [['cause'], ['effect']])]!
}
