// WiC: does a word mean the same in two sentences? SuperGLUE's validation set (638).
import type { ChoiceTask } from '../task.ts'

/** Labels: 0 not the same meaning, 1 the same. */
export type WicFields = { word: string; sentence1: string; sentence2: string; label: number }

export const wic: ChoiceTask<WicFields> = {
  name: 'wic',
  title: 'WiC',
  data: { folder: 'wic', stems: ['validation', 'val', 'dev', 'test'] },
  item: row => {
    const [word, sentence1, sentence2] = [row.text('word'), row.text('sentence1'), row.text('sentence2')]
    const label = row.label('label', [
      ['0', 'false'],
      ['1', 'true'],
    ])
    return { id: row.id(), fields: { word, sentence1, sentence2, label }, gold: label }
  },
}
