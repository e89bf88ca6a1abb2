// What a task is: data files, how a row becomes an item, the prompts of each protocol, and how answers are scored.
import type { AnswerMetric } from '../metrics/answer-scores.ts'
import type { Row } from './row.ts'

/** Ways of prompting and scoring; a task says what its items look like in each. */
export type Protocol = 'card'

/** Pick one of several choices by log-likelihood. Each is scored after the prompt and one space. */
export interface ChoiceSample {
  id: string
  prompt: string
  choices: string[]
  /** Index of the right choice. */
  gold: number
}

/** Generate a text and compare it with the gold answers. */
export interface AnswerSample {
  id: string
  prompt: string
  /** At least one. */
  answers: string[]
}

/** Where a task's rows lie inside its folder (docs/data.md). */
export interface DataSource {
  /** File names without their ending, in order of preference; the first one that exists is read. */
  stems: readonly string[]
  /** Rows to leave out: another language in the same file, say. */
  keep?: (row: Row) => boolean
}

interface TaskBase {
  /** Folder of its data, and its name on the command line. */
  name: string
  /** Its column in the tables. */
  title: string
  data: DataSource
}

export interface ChoiceTask extends TaskBase {
  kind: 'choice'
  /** A row as each protocol presents it. @throws DATA_INVALID naming file, row, field and value */
  sample: Record<Protocol, (row: Row) => ChoiceSample>
}

export interface AnswerTask extends TaskBase {
  kind: 'answer'
  sample: Record<Protocol, (row: Row) => AnswerSample>
  metric: AnswerMetric
}

export type Task = ChoiceTask | AnswerTask
