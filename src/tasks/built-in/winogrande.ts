// Winogrande: which of two names does the blank in a sentence stand for? Dev set (1,267).
import type { ChoiceTask } from '../task.ts'

export type WinograndeFields = {
  /** With "_" for the blank. */
  sentence: string
  option1: string
  option2: string
  answer: '1' | '2'
}

export const winogrande: ChoiceTask<WinograndeFields> = {
  name: 'winogrande',
  title: 'Winogrande',
  data: { folder: 'winogrande', stems: ['validation', 'dev', 'test'] },
  item: row => {
    const [sentence, option1, option2] = [row.text('sentence'), row.text('option1'), row.text('option2')]
    const gold = row.label('answer', [['1'], ['2']])
    return {
      id: row.has('qID') ? row.text('qID') : row.id(),
      fields: { sentence, option1, option2, answer: gold === 0 ? '1' : '2' },
      gold,
    }
  },
}
