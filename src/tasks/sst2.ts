// SST-2: is a sentence of a film review positive? GLUE's validation set (872); its test set has no labels.
import type { ChoiceTask } from './task.ts'

export const sst2: ChoiceTask = {
  kind: 'choice',
  name: 'sst2',
  title: 'SST-2',
  data: { stems: ['validation', 'dev', 'test'] },
  sample: {
    card: row => ({
      id: row.id(),
      // The sentence goes in raw: a space at its end makes two before the next word.
      prompt: `${row.text('sentence')} Based on this review, would the user recommend this product? No or Yes?`,
      choices: ['No', 'Yes'],
      gold: row.label('label', [
        ['0', 'negative'],
        ['1', 'positive'],
      ]),
    }),
  },
}
