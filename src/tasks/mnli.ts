// MNLI, matched: does a premise imply a hypothesis? Validation set (9,815).
import type { ChoiceTask } from './task.ts'

export const mnli: ChoiceTask = {
  kind: 'choice',
  name: 'mnli',
  title: 'MNLI',
  data: { stems: ['validation_matched', 'dev_matched', 'validation'] },
  sample: {
    card: row => ({
      id: row.id(),
      prompt: `${row.text('premise', 'sentence1')} Question: Does this imply that ${row.text('hypothesis', 'sentence2')}? Please response with 'Yes', 'No', or 'Maybe'.`,
      choices: ['Yes', 'Maybe', 'No'],
      gold: row.label(
        ['label', 'gold_label'],
        [
          ['0', 'entailment'],
          ['1', 'neutral'],
          ['2', 'contradiction'],
        ],
      ),
    }),
  },
}
