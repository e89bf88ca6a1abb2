// Which tables the results of runs make: the card's two, one for each set of several languages, and one of all others.
import { metricHead } from '../metrics/titles.ts'
import { cardTables, languageSets } from '../tasks/built-in/registry.ts'
import type { LanguageMean, RunResults, TaskResult } from './results.ts'

export interface ResultTable {
  title: string
  columns: readonly ResultColumn[]
}

export interface ResultColumn {
  title: string
  /** The task's name; undefined for a mean. */
  name?: string
  /** What a run has for the column. */
  of(results: RunResults): TaskResult | LanguageMean | undefined
}

/** The tables of which a run has something, in order. */
export function resultTables(runs: readonly RunResults[]): ResultTable[] {
  const own = cardTables.map(({ title, tasks }) => ({ title, columns: tasks.map(taskColumn) }))
  const inCard = namesOf(own)
  const tables: ResultTable[] = [...own, ...languageTables(runs, inCard)]
  const known = new Set([...inCard, ...namesOf(tables)])
  const others = new Map(
    runs.flatMap(({ tasks }) => Object.entries(tasks).map(([name, { title }]) => [name, title] as const)),
  )
  for (const name of known) if (name !== undefined) others.delete(name)
  tables.push({
    title: 'Other tasks',
    columns: [...others].map(([name, title]) => taskColumn({ name, title })),
  })
  return tables.filter(({ columns }) => columns.some(column => hasResult(column, runs)))
}

/** 'COPA (Acc.)'; the title alone where runs have different figures, or none. */
export function columnHead(column: ResultColumn, runs: readonly RunResults[]): string {
  const heads = new Set(runs.flatMap(run => column.of(run)?.headline.map(metricHead).join('/') ?? []))
  return heads.size === 1 ? `${column.title} (${[...heads][0]})` : column.title
}

function taskColumn({ name, title }: { name: string; title: string }): ResultColumn {
  return { name, title, of: ({ tasks }) => tasks[name] }
}

function namesOf(tables: readonly ResultTable[]): Set<string | undefined> {
  return new Set(tables.flatMap(({ columns }) => columns.map(({ name }) => name)))
}

function hasResult(column: ResultColumn, runs: readonly RunResults[]): boolean {
  return runs.some(results => column.of(results) !== undefined)
}

/** A table for each set of which more was run than the card's language. */
function languageTables(runs: readonly RunResults[], inCard: Set<string | undefined>): ResultTable[] {
  return languageSets.flatMap(({ name, title, tasks, averaged }) => {
    const columns = [...tasks.values()].map(taskColumn)
    if (!columns.some(column => hasResult(column, runs) && !inCard.has(column.name))) return []
    const mean: ResultColumn = {
      title: `mean of ${averaged.length}`,
      of: ({ languageMeans }) => languageMeans[name],
    }
    return [{ title: `${title} by language`, columns: [...columns, mean] }]
  })
}
