// Data sets that are scored language by language: a task for each, and where their files lie.
import type { Row } from '../data/row.ts'
import type { DataSource, Task } from './task.ts'

/** The tasks of a data set in its languages. */
export interface LanguageSet<T extends Task = Task> {
  /** Stands for all its tasks on the command line. */
  name: string
  title: string
  /** By language, in the order of tables. */
  tasks: ReadonlyMap<string, T>
  /** The languages that its mean is taken over. */
  averaged: readonly string[]
}

export interface LanguageSetOptions<T extends Task> {
  name: string
  title: string
  /** In the order of tables. */
  languages: readonly string[]
  /** Languages that have scores and are no part of the mean. */
  leftOut?: readonly string[]
  task(language: string): T
}

export function languageSet<T extends Task>(options: LanguageSetOptions<T>): LanguageSet<T> {
  const { name, title, languages, leftOut = [], task } = options
  return {
    ...{ name, title },
    tasks: new Map(languages.map(language => [language, task(language)])),
    averaged: languages.filter(language => !leftOut.includes(language)),
  }
}

/**
 * Where the rows of one language lie: in a file of its own, or in one with rows that name their `language`.
 * @param splits in order of preference
 * @param own names without ending that the data set is published under, which go before the general ones
 */
export function languageSource(
  folder: string,
  language: string,
  splits: readonly string[],
  own: readonly string[] = [],
): Required<DataSource> {
  const general = splits.flatMap(split => [
    `${language}/${split}`,
    `${split}/${language}`,
    `${split}-${language}`,
    `${split}.${language}`,
    `${language}-${folder}-${split}`,
  ])
  return { folder, stems: [...own, ...general], keep: row => isOf(row, language) }
}

function isOf(row: Row, language: string): boolean {
  return !row.has('language') || row.text('language') === language
}
