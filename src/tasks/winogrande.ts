// Winogrande: which of two names does the blank in a sentence stand for? Dev set (1,267).
import type { ChoiceTask } from './task.ts'

export const winogrande: ChoiceTask = {
  kind: 'choice',
  name: 'winogrande',
  title: 'Winogrande',
  data: { stems: ['validation', 'dev', 'test'] },
  sample: {
    card: row => {
      const choices = [row.text('option1'), row.text('option2')]
      return {
        id: row.has('qID') ? row.text('qID') : row.id(),
        prompt: `${row.text('sentence')} In the previous sentence, does _ refer to ${choices[0]} or ${choices[1]}?`,
        choices,
        gold: row.label('answer', [['1'], ['2']]),
      }
    },
  },
}
