// RTE: does a premise entail a hypothesis? Validation set of GLUE and SuperGLUE (277).
import type { ChoiceTask } from './task.ts'

export const rte: ChoiceTask = {
  kind: 'choice',
  name: 'rte',
  title: 'RTE',
  data: { stems: ['validation', 'val', 'dev', 'test'] },
  sample: {
    card: row => ({
      id: row.id(),
      prompt: `Given ${row.text('premise', 'sentence1')} Is it guaranteed true that "${row.text('hypothesis', 'sentence2')}"? Yes or no?`,
      // The card prints them so, one with a capital and one without.
      choices: ['Yes', 'no'],
      gold: row.label('label', [
        ['0', 'entailment'],
        ['1', 'not_entailment'],
      ]),
    }),
  },
}
