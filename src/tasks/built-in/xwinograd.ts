// XWinograd: Winogrande's question on Winograd schemas in six languages; test set (83 to 2,325 a language).
import { languageSet, languageSource } from '../language-set.ts'
import type { ChoiceTask } from '../task.ts'
import { type WinograndeFields, winogrande } from './winogrande.ts'

export const xwinograd = languageSet({
  name: 'xwinograd',
  title: 'XWinograd',
  // Japanese goes by the name of its file on the hub.
  languages: ['en', 'fr', 'jp', 'pt', 'ru', 'zh'],
  task: (language): ChoiceTask<WinograndeFields> => ({
    name: `xwinograd_${language}`,
    title: `XWinograd-${language}`,
    data: languageSource('xwinograd', language, ['test']),
    item: winogrande.item,
  }),
})
