// Defines what a task is: its data files, how a row becomes a sample in each protocol, and how answers are scored.

import type { Row } from '../data/row.ts'
import type { AnswerMetric } from '../metrics/answer-scores.ts'

/** A way of prompting and scoring. A task says what its samples look like in each. */
export type Protocol = 'card'

/** A question that is answered by the choice of the highest log-likelihood, each scored after the prompt and one space. */
export interface ChoiceSample {
  id: string
  prompt: string
  choices: string[]
  /** Index of the right choice. */
  gold: number
}

/** A question that is answered by a generated text, which is compared with the gold answers. */
export interface AnswerSample {
  id: string
  prompt: string
  /** The gold answers, at least one. */
  answers: string[]
}

/** Where a task's rows lie inside its folder (docs/data.md). */
export interface DataSource {
  /** File names without their ending, in order of preference; the first one that exists is read. */
  stems: readonly string[]
  /** Whether a row belongs to the task: a file may hold other languages too. By default every row does. */
  keep?: (row: Row) => boolean
}

interface TaskBase {
  /** The name of the task's data folder, and of the task on the command line. */
  name: string
  /** The head of the task's column in the tables. */
  title: string
  data: DataSource
}

export interface ChoiceTask extends TaskBase {
  kind: 'choice'
  /** Makes the sample of a row, in each protocol. @throws DATA_INVALID naming file, row, field and value */
  sample: Record<Protocol, (row: Row) => ChoiceSample>
}

export interface AnswerTask extends TaskBase {
  kind: 'answer'
  sample: Record<Protocol, (row: Row) => AnswerSample>
  metric: AnswerMetric
}

export type Task = ChoiceTask | AnswerTask
