// XQuAD, English: 1,190 questions of SQuAD's dev set, the part that was translated into ten languages.
import { squadMetric } from '../metrics/squad.ts'
import { extractiveQaSample } from './extractive-qa.ts'
import type { AnswerTask } from './task.ts'

export const xquad: AnswerTask = {
  kind: 'answer',
  name: 'xquad',
  title: 'XQuAD-en',
  data: { stems: ['xquad.en', 'validation', 'test'] },
  sample: { card: extractiveQaSample },
  metric: squadMetric,
}
