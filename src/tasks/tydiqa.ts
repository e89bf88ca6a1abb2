// TyDiQA GoldP, English: 440 questions of the dev set.
import { squadMetric } from '../metrics/squad.ts'
import { extractiveQaSample } from './extractive-qa.ts'
import type { AnswerTask } from './task.ts'

export const tydiqa: AnswerTask = {
  kind: 'answer',
  name: 'tydiqa',
  title: 'TyDiQA-en',
  data: {
    stems: ['tydiqa.goldp.en.dev', 'tydiqa-goldp-v1.1-dev', 'validation', 'dev'],
    // The published dev file holds nine languages; an id begins with its language.
    keep: row => row.id().startsWith('english'),
  },
  sample: { card: extractiveQaSample },
  metric: squadMetric,
}
