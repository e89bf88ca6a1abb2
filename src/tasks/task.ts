// Defines what a task is: where its rows lie, what an item of it says, and what is right about it.
import type { Row } from '../data/row.ts'
import type { AnswerMetric } from '../metrics/answer-scores.ts'

/** Where a task's rows lie in a data folder (docs/data.md). */
export interface DataSource {
  /** The folder inside the data folder. */
  folder: string
  /** File names without their ending, in order of preference; the first one that exists is read. */
  stems: readonly string[]
  /** Whether a row belongs to the task: a file may hold other languages too. By default every row does. */
  keep?: (row: Row) => boolean
}

/** Files that a task names itself, wherever they lie. */
export interface DataFiles {
  /** Absolute paths, read in order. */
  files: readonly string[]
}

export type Fields = Readonly<Record<string, unknown>>

/** The index of the right class, or the gold answers, at least one. */
export type Gold = number | readonly string[]

export interface Item<F extends Fields = Fields, G extends Gold = Gold> {
  id: string
  /** The fields of the data set on the Hugging Face hub, under its names, however the file at hand calls them. */
  fields: F
  gold: G
}

/** What is asked about an item, and how, is not the task's: a protocol says so. */
export interface Task<F extends Fields = Fields, G extends Gold = Gold, Data = DataSource> {
  /** The task's name on the command line and in results. */
  name: string
  /** The head of the task's column in tables. */
  title: string
  data: Data
  /**
   * A hash of all that decides what is asked and how answers are judged, where a file defines it: results of another
   * definition are not gone on with.
   */
  definition?: string
  /**
   * A hash of what decides what is asked, and not how answers are judged, where a file defines the task: samples of other
   * questions are not judged again.
   */
  questions?: string
  /**
   * Reads the item of a row.
   * @param index the item's place among those of the task, counted from 0
   * @throws DATA_INVALID naming file, row, field and value
   */
  item(row: Row, index: number): Item<F, G>
}

/** A task whose rows lie in a data folder, or in files that it names. */
export type AnyTask = Task<Fields, Gold, DataSource | DataFiles>

/** A task whose gold is one of some classes. */
export type ChoiceTask<F extends Fields = Fields> = Task<F, number>

/** A task whose gold is texts, with the metric that its data set is published with. */
export interface AnswerTask<F extends Fields = Fields> extends Task<F, readonly string[]> {
  metric: AnswerMetric
}
