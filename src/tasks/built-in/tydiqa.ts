// TyDiQA GoldP, English: 440 questions of the dev set.
import { squadMetric } from '../../metrics/squad.ts'
import type { AnswerTask } from '../task.ts'
import { type ExtractiveQaFields, extractiveQaItem } from './extractive-qa.ts'

export const tydiqa: AnswerTask<ExtractiveQaFields> = {
  name: 'tydiqa',
  title: 'TyDiQA-en',
  data: {
    folder: 'tydiqa',
    stems: ['tydiqa.goldp.en.dev', 'tydiqa-goldp-v1.1-dev', 'validation', 'dev'],
    // The published dev file holds nine languages; an id begins with its language.
    keep: row => row.id().startsWith('english'),
  },
  item: extractiveQaItem,
  metric: squadMetric,
}
