// WiC: does a word mean the same in two sentences? SuperGLUE's validation set (638).
import type { ChoiceTask } from './task.ts'

export const wic: ChoiceTask = {
  kind: 'choice',
  name: 'wic',
  title: 'WiC',
  data: { stems: ['validation', 'val', 'dev', 'test'] },
  sample: {
    card: row => ({
      id: row.id(),
      prompt: `Does the word "${row.text('word')}" have the same meaning in these two sentences? Yes, No? ${row.text('sentence1')} ${row.text('sentence2')}`,
      choices: ['No', 'Yes'],
      gold: row.label('label', [
        ['0', 'false'],
        ['1', 'true'],
      ]),
    }),
  },
}
