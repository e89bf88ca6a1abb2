// SQuAD v1.1: questions on Wikipedia paragraphs, dev set (10,570).
import { squadMetric } from '../metrics/squad.ts'
import { extractiveQaSample } from './extractive-qa.ts'
import type { AnswerTask } from './task.ts'

export const squad: AnswerTask = {
  kind: 'answer',
  name: 'squad',
  title: 'SQuAD',
  data: { stems: ['dev-v1.1', 'validation', 'dev'] },
  sample: { card: extractiveQaSample },
  metric: squadMetric,
}
