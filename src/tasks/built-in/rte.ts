// RTE: does a premise entail a hypothesis? Validation set of GLUE and SuperGLUE (277).
import type { ChoiceTask } from '../task.ts'

/** Labels as the hub numbers them: 0 entailment, 1 not. */
export type RteFields = { premise: string; hypothesis: string; label: number }

export const rte: ChoiceTask<RteFields> = {
  name: 'rte',
  title: 'RTE',
  data: { folder: 'rte', stems: ['validation', 'val', 'dev', 'test'] },
  item: row => {
    const [premise, hypothesis] = [row.text('premise', 'sentence1'), row.text('hypothesis', 'sentence2')]
    const label = row.label('label', [
      ['0', 'entailment'],
      ['1', 'not_entailment'],
    ])
    return { id: row.id(), fields: { premise, hypothesis, label }, gold: label }
  },
}
