// XQuAD: 1,190 questions of SQuAD's dev set, the part that was translated into other languages.
import { squadMetric } from '../../metrics/squad.ts'
import { languageSet, languageSource } from '../language-set.ts'
import type { AnswerTask } from '../task.ts'
import { type ExtractiveQaFields, extractiveQaItem } from './extractive-qa.ts'

/** English, the card's. */
export const xquad: AnswerTask<ExtractiveQaFields> = {
  name: 'xquad',
  title: 'XQuAD-en',
  data: { folder: 'xquad', stems: [...stems('en'), 'validation', 'test'] },
  item: extractiveQaItem,
  metric: squadMetric,
}

export const xquadLanguages = languageSet({
  name: 'xquad-all',
  title: 'XQuAD',
  languages: ['en', 'ar', 'de', 'el', 'es', 'hi', 'ru', 'th', 'tr', 'vi', 'zh', 'ro'],
  // Romanian came after the others.
  leftOut: ['ro'],
  task: (language): AnswerTask<ExtractiveQaFields> =>
    language === 'en'
      ? xquad
      : {
          ...xquad,
          name: `xquad_${language}`,
          title: `XQuAD-${language}`,
          data: languageSource('xquad', language, ['validation'], stems(language)),
        },
})

function stems(language: string): string[] {
  return [`xquad.${language}`, `xquad.${language}/validation`]
}
