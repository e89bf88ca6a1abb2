// Every built-in task, in the order of tables: the card's, MNLI mismatched, then those of sets of several languages.
import type { LanguageSet } from '../language-set.ts'
import type { Task } from '../task.ts'
import { copa } from './copa.ts'
import { marc2, marc5 } from './marc.ts'
import { mlqa, mlqaLanguages } from './mlqa.ts'
import { mnli, mnliMismatched } from './mnli.ts'
import { openbookqa } from './openbookqa.ts'
import { pawsx } from './pawsx.ts'
import { rte } from './rte.ts'
import { squad } from './squad.ts'
import { sst2 } from './sst2.ts'
import { tydiqa, tydiqaLanguages } from './tydiqa.ts'
import { wic } from './wic.ts'
import { winogrande } from './winogrande.ts'
import { xcopa } from './xcopa.ts'
import { xnli } from './xnli.ts'
import { xquad, xquadLanguages } from './xquad.ts'
import { xstorycloze } from './xstorycloze.ts'
import { xwinograd } from './xwinograd.ts'

/** The card's two tables: data sets that multi-task training has not seen, and whole kinds of task that it has not seen. */
export const cardTables: readonly { title: string; tasks: readonly Task[] }[] = [
  { title: 'Unseen datasets', tasks: [xquad, tydiqa, mlqa, squad, sst2, openbookqa] },
  { title: 'Unseen tasks', tasks: [copa, winogrande, wic, mnli, rte] },
]

/** What is run where nobody says which tasks to run. */
export const cardTasks: readonly Task[] = cardTables.flatMap(table => table.tasks)

/** The sets of several languages. English is the card's task in those that the card has. */
export const languageSets: readonly LanguageSet[] = [
  ...[xquadLanguages, tydiqaLanguages, mlqaLanguages],
  ...[xnli, xcopa, xwinograd, xstorycloze, pawsx, marc2, marc5],
]

const ofOneLanguage = [...cardTasks, mnliMismatched]
const ofLanguages = languageSets.flatMap(({ tasks }) => [...tasks.values()])

/** By name. */
export const builtInTasks: ReadonlyMap<string, Task> = new Map(
  [...ofOneLanguage, ...ofLanguages].map(task => [task.name, task]),
)

/** What tasks are asked for by: sets of languages go by their own names, and each of their tasks by its name too. */
export const taskNames = {
  ofOneLanguage: ofOneLanguage.map(({ name }) => name),
  ofSets: languageSets.map(({ name }) => name),
}

/** The tasks that names stand for, each once and in the order of tables, and the names that stand for none. */
export function namedTasks<T>(names: readonly T[]): { tasks: readonly Task[]; unknown: readonly T[] } {
  const found = new Set(names.flatMap(tasksNamed))
  return {
    tasks: [...builtInTasks.values()].filter(task => found.has(task)),
    unknown: names.filter(name => tasksNamed(name).length === 0),
  }
}

/** The tasks that a name stands for; none for an unknown one. */
export function tasksNamed(name: unknown): readonly Task[] {
  const set = languageSets.find(candidate => candidate.name === name)
  if (set) return [...set.tasks.values()]
  const task = builtInTasks.get(name as string)
  return task ? [task] : []
}
