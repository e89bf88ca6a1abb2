// What a mixture of training tasks is: data sets, their templates, and how much of each is taken.

/** A data set whose rows promptsource's templates make examples of. */
export interface TrainingSet {
  /** promptsource's name of it: 'trec', 'glue/mrpc'. */
  name: string
  /** The hub's repository that has it, for messages; undefined where nobody said so. */
  hub?: string
  /** Folders that its rows may lie in, inside the data folder; the first one that is there counts. */
  folders: readonly string[]
  /** The split to read; undefined: train, else whatever there is (`splits` of set-files.ts). */
  split?: string
  /** Names of the templates; or all of them, or those of the task that the set was made for. */
  templates: readonly string[] | 'all' | 'original'
  /** Rows that count for the cap; undefined: as many as are at hand. */
  size?: number
  /** What the cap is multiplied by: above 0. */
  weight: number
  /** Fields that every row must have, after aliases and defaults. */
  fields: readonly string[]
  /** Fields under which a row may have another field instead: { question: 'query' }. */
  aliases: Readonly<Record<string, string>>
  /** Values of fields that a row lacks. */
  defaults: Readonly<Record<string, unknown>>
  /** How its templates number its finer labels; where its rows do it otherwise, those that name them are left out. */
  labels?: LabelRanges
}

/** Labels of two fields, of which the finer ones are parts of the coarse. */
export interface LabelRanges {
  coarse: string
  fine: string
  /** The first finer label of each coarse one, and one more than the last. */
  starts: readonly number[]
}

export interface Mixture {
  name: string
  /** Examples of a set that count at most, over all its templates. */
  maxExamples: number
  sets: readonly TrainingSet[]
}

/**
 * T0's limit: above it the templates of a set share so many examples, so that a large set does not drown the small ones
 * (Sanh et al. 2021, "Multitask Prompted Training Enables Zero-Shot Task Generalization", section 5).
 */
export const maxExamplesOfSet = 500_000

/**
 * The cap of each task of a set: examples that an epoch of the mixture takes of it. A task's rate is its share of all caps.
 * @param size rows of the set
 * @param templates how many the set has in the mixture
 * @returns at least 1
 */
export function taskCap(size: number, templates: number, { maxExamples }: Mixture, weight = 1): number {
  const cap = size > maxExamples ? Math.floor(maxExamples / templates) : size
  return Math.max(1, Math.round(cap * weight))
}

/** T0's name of a task: the set's name and the template's, with an underscore for what is neither letter, digit nor dot. */
export function taskName(set: string, template: string): string {
  return `${set.replaceAll('/', '_')}_${template}`.replace(/[^\p{L}\p{N}_.]+/gu, '_')
}
