// XQuAD, English: 1,190 questions of SQuAD's dev set, the part that was translated into ten languages.
import { squadMetric } from '../../metrics/squad.ts'
import type { AnswerTask } from '../task.ts'
import { type ExtractiveQaFields, extractiveQaItem } from './extractive-qa.ts'

export const xquad: AnswerTask<ExtractiveQaFields> = {
  name: 'xquad',
  title: 'XQuAD-en',
  data: { folder: 'xquad', stems: ['xquad.en', 'validation', 'test'] },
  item: extractiveQaItem,
  metric: squadMetric,
}
