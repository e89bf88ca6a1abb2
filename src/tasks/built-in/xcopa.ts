// XCOPA: COPA in eleven languages, without English; test set (500 a language).
import { languageSet, languageSource } from '../language-set.ts'
import type { ChoiceTask } from '../task.ts'
import { type CopaFields, copa } from './copa.ts'

export const xcopa = languageSet({
  name: 'xcopa',
  title: 'XCOPA',
  languages: ['et', 'ht', 'id', 'it', 'qu', 'sw', 'ta', 'th', 'tr', 'vi', 'zh'],
  task: (language): ChoiceTask<CopaFields> => ({
    name: `xcopa_${language}`,
    title: `XCOPA-${language}`,
    data: languageSource('xcopa', language, ['test', 'validation'], [`${language}/test.${language}`]),
    item: copa.item,
  }),
})
