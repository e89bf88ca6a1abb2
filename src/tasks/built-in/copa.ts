// COPA: which of two sentences is the cause, or the effect, of another? Validation set (100).
import type { ChoiceTask } from '../task.ts'

export type CopaFields = {
  premise: string
  choice1: string
  choice2: string
  question: 'cause' | 'effect'
  label: number
}

export const copa: ChoiceTask<CopaFields> = {
  name: 'copa',
  title: 'COPA',
  data: { folder: 'copa', stems: ['validation', 'val', 'dev', 'test'] },
  item: row => {
    const [premise, choice1, choice2] = [row.text('premise'), row.text('choice1'), row.text('choice2')]
    const question = row.label('question', [['cause'], ['effect']]) === 0 ? 'cause' : 'effect'
    const label = row.label('label', [['0'], ['1']])
    return { id: row.id(), fields: { premise, choice1, choice2, question, label }, gold: label }
  },
}
