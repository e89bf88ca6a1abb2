// XNLI: MNLI's question in fifteen languages; test set (5,010 a language).
import { languageSet, languageSource } from '../language-set.ts'
import type { ChoiceTask } from '../task.ts'
import { type NliFields, nliItem } from './mnli.ts'

export const xnli = languageSet({
  name: 'xnli',
  title: 'XNLI',
  languages: ['en', 'zh', 'es', 'de', 'ar', 'ur', 'ru', 'bg', 'el', 'fr', 'hi', 'sw', 'th', 'tr', 'vi'],
  task: (language): ChoiceTask<NliFields> => ({
    name: `xnli_${language}`,
    title: `XNLI-${language}`,
    // The original file has the rows of all languages.
    data: languageSource('xnli', language, ['test', 'validation'], ['xnli.test']),
    item: nliItem,
  }),
})
