// SQuAD v1.1: questions on Wikipedia paragraphs, dev set (10,570).
import { squadMetric } from '../../metrics/squad.ts'
import type { AnswerTask } from '../task.ts'
import { type ExtractiveQaFields, extractiveQaItem } from './extractive-qa.ts'

export const squad: AnswerTask<ExtractiveQaFields> = {
  name: 'squad',
  title: 'SQuAD',
  data: { folder: 'squad', stems: ['dev-v1.1', 'validation', 'dev'] },
  item: extractiveQaItem,
  metric: squadMetric,
}
