// MLQA, English questions on English contexts: test set (11,590).
import { mlqaMetric } from '../../metrics/mlqa.ts'
import type { AnswerTask } from '../task.ts'
import { type ExtractiveQaFields, extractiveQaItem } from './extractive-qa.ts'

export const mlqa: AnswerTask<ExtractiveQaFields> = {
  name: 'mlqa',
  title: 'MLQA-en',
  data: {
    folder: 'mlqa',
    stems: ['test-context-en-question-en', 'test', 'test-context-en-question-en.fixture'],
  },
  item: extractiveQaItem,
  metric: mlqaMetric('en'),
}
