// Every built-in task, in the order of the card's tables; those that the card does not have come last.
import type { Task } from '../task.ts'
import { copa } from './copa.ts'
import { mlqa } from './mlqa.ts'
import { mnli, mnliMismatched } from './mnli.ts'
import { openbookqa } from './openbookqa.ts'
import { rte } from './rte.ts'
import { squad } from './squad.ts'
import { sst2 } from './sst2.ts'
import { tydiqa } from './tydiqa.ts'
import { wic } from './wic.ts'
import { winogrande } from './winogrande.ts'
import { xquad } from './xquad.ts'

/** The card's two tables: data sets that multi-task training has not seen, and whole kinds of task that it has not seen. */
export const cardTables: readonly { title: string; tasks: readonly Task[] }[] = [
  { title: 'Unseen datasets', tasks: [xquad, tydiqa, mlqa, squad, sst2, openbookqa] },
  { title: 'Unseen tasks', tasks: [copa, winogrande, wic, mnli, rte] },
]

/** What is run where nobody says which tasks to run. */
export const cardTasks: readonly Task[] = cardTables.flatMap(table => table.tasks)

/** By name. */
export const builtInTasks: ReadonlyMap<string, Task> = new Map(
  [...cardTasks, mnliMismatched].map(task => [task.name, task]),
)
