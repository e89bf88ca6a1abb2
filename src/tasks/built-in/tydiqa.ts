// TyDiQA GoldP: questions that speakers of nine languages asked; dev set (English: 440).
import { squadMetric } from '../../metrics/squad.ts'
import { languageSet } from '../language-set.ts'
import type { AnswerTask, DataSource } from '../task.ts'
import { type ExtractiveQaFields, extractiveQaItem } from './extractive-qa.ts'

/** The languages in the order of tables, by the word that an id begins with. */
const languages = {
  ...{ en: 'english', ar: 'arabic', bn: 'bengali', fi: 'finnish', id: 'indonesian' },
  ...{ ko: 'korean', ru: 'russian', sw: 'swahili', te: 'telugu' },
}

/** English, the card's. */
export const tydiqa: AnswerTask<ExtractiveQaFields> = {
  name: 'tydiqa',
  title: 'TyDiQA-en',
  data: source('en'),
  item: extractiveQaItem,
  metric: squadMetric,
}

export const tydiqaLanguages = languageSet({
  name: 'tydiqa-all',
  title: 'TyDiQA',
  languages: Object.keys(languages),
  task: (language): AnswerTask<ExtractiveQaFields> =>
    language === 'en'
      ? tydiqa
      : {
          ...tydiqa,
          name: `tydiqa_${language}`,
          title: `TyDiQA-${language}`,
          data: source(language as keyof typeof languages),
        },
})

/** The published dev file holds all languages; others have made a file of each. */
function source(language: keyof typeof languages): DataSource {
  const own = `tydiqa.goldp.${language}.dev`
  return {
    folder: 'tydiqa',
    stems: [
      ...[own, `tydiqa-goldp-v1.1-dev/${own}`, 'tydiqa-goldp-v1.1-dev', 'secondary_task/validation'],
      ...['validation', 'dev'],
    ],
    keep: row => row.id().startsWith(`${languages[language]}-`),
  }
}
