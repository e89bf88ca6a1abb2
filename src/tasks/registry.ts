// Every task, in the order of the card's tables.
import { copa } from './copa.ts'
import { mlqa } from './mlqa.ts'
import { mnli } from './mnli.ts'
import { openbookqa } from './openbookqa.ts'
import { rte } from './rte.ts'
import { squad } from './squad.ts'
import { sst2 } from './sst2.ts'
import type { Task } from './task.ts'
import { tydiqa } from './tydiqa.ts'
import { wic } from './wic.ts'
import { winogrande } from './winogrande.ts'
import { xquad } from './xquad.ts'

/** The card's two groups: data sets that multi-task training has not seen, and whole kinds of task that it has not seen. */
export const unseenDatasets = ['xquad', 'tydiqa', 'mlqa', 'squad', 'sst2', 'openbookqa'] as const
export const unseenTasks = ['copa', 'winogrande', 'wic', 'mnli', 'rte'] as const
export const taskNames = [...unseenDatasets, ...unseenTasks] as const

export type TaskName = (typeof taskNames)[number]

export const tasks: { readonly [name in TaskName]: Task } = {
  xquad,
  tydiqa,
  mlqa,
  squad,
  sst2,
  openbookqa,
  copa,
  winogrande,
  wic,
  mnli,
  rte,
}
