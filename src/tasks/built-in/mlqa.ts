// MLQA, questions on contexts of the same language: test set (4,517 to 11,590 a language).
import { mlqaMetric } from '../../metrics/mlqa.ts'
import { languageSet, languageSource } from '../language-set.ts'
import type { AnswerTask } from '../task.ts'
import { type ExtractiveQaFields, extractiveQaItem } from './extractive-qa.ts'

/** English, the card's. */
export const mlqa: AnswerTask<ExtractiveQaFields> = {
  name: 'mlqa',
  title: 'MLQA-en',
  data: {
    folder: 'mlqa',
    stems: [...stems('en'), 'test', 'test-context-en-question-en.fixture'],
  },
  item: extractiveQaItem,
  metric: mlqaMetric('en'),
}

export const mlqaLanguages = languageSet({
  name: 'mlqa-all',
  title: 'MLQA',
  languages: ['en', 'es', 'de', 'ar', 'hi', 'vi', 'zh'],
  task: (language): AnswerTask<ExtractiveQaFields> =>
    language === 'en'
      ? mlqa
      : {
          ...mlqa,
          name: `mlqa_${language}`,
          title: `MLQA-${language}`,
          data: languageSource('mlqa', language, ['test'], stems(language)),
          metric: mlqaMetric(language),
        },
})

function stems(language: string): string[] {
  const name = `test-context-${language}-question-${language}`
  return [name, `test/${name}`, `mlqa.${language}.${language}/test`]
}
