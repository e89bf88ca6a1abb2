// MLQA, English questions on English contexts: test set (11,590).
import { mlqaMetric } from '../metrics/mlqa.ts'
import { extractiveQaSample } from './extractive-qa.ts'
import type { AnswerTask } from './task.ts'

export const mlqa: AnswerTask = {
  kind: 'answer',
  name: 'mlqa',
  title: 'MLQA-en',
  data: { stems: ['test-context-en-question-en', 'test', 'test-context-en-question-en.fixture'] },
  sample: { card: extractiveQaSample },
  metric: mlqaMetric('en'),
}
