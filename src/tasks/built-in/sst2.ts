// SST-2: is a sentence of a film review positive? GLUE's validation set (872); its test set has no labels.
import type { ChoiceTask } from '../task.ts'

/** Labels: 0 negative, 1 positive. */
export type Sst2Fields = { sentence: string; label: number }

export const sst2: ChoiceTask<Sst2Fields> = {
  name: 'sst2',
  title: 'SST-2',
  data: { folder: 'sst2', stems: ['validation', 'dev', 'test'] },
  item: row => {
    const label = row.label('label', [
      ['0', 'negative'],
      ['1', 'positive'],
    ])
    return { id: row.id(), fields: { sentence: row.text('sentence'), label }, gold: label }
  },
}
