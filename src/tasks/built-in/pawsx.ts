// PAWS-X: does one sentence paraphrase another? In seven languages; test set (2,000 a language).
import type { Row } from '../../data/row.ts'
import { languageSet, languageSource } from '../language-set.ts'
import type { ChoiceTask, Item } from '../task.ts'

/** Labels: 0 no paraphrase, 1 a paraphrase. */
export type ParaphraseFields = { sentence1: string; sentence2: string; label: number }

export const pawsx = languageSet({
  name: 'pawsx',
  title: 'PAWS-X',
  languages: ['en', 'de', 'es', 'fr', 'ja', 'ko', 'zh'],
  task: (language): ChoiceTask<ParaphraseFields> => ({
    name: `pawsx_${language}`,
    title: `PAWS-X-${language}`,
    data: languageSource('pawsx', language, ['test', 'validation']),
    item: paraphraseItem,
  }),
})

function paraphraseItem(row: Row): Item<ParaphraseFields, number> {
  const [sentence1, sentence2] = [row.text('sentence1'), row.text('sentence2')]
  const label = row.label('label', [['0'], ['1']])
  return { id: row.id(), fields: { sentence1, sentence2, label }, gold: label }
}
