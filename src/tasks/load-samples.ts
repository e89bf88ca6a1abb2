// Reads tasks' samples from a data folder, all of them checked before anything is loaded or scored.
import { join } from 'node:path'
import { findDataFiles, readRows } from '../data/data-files.ts'
import { MtLlamaError } from '../errors.ts'
import { checkPath } from '../files/path.ts'
import { type TaskName, taskNames, tasks } from './registry.ts'
import type { AnswerSample, ChoiceSample, Protocol, Task } from './task.ts'

export type TaskSamples = { files: string[] } & (
  | { task: Extract<Task, { kind: 'choice' }>; samples: ChoiceSample[] }
  | { task: Extract<Task, { kind: 'answer' }>; samples: AnswerSample[] }
)

/** The folder that tasks are read from, their prompts, and how many of their samples are read. */
export interface DataOptions {
  dataDir: string
  protocol: Protocol
  /** How many samples of each task are read, from the first; null reads all. */
  limit: number | null
}

/** Loads the samples of several tasks, in the order of the tables. @throws what loadSamples() throws */
export async function loadTasks(
  names: readonly TaskName[],
  { dataDir, protocol, limit }: DataOptions,
): Promise<Map<TaskName, TaskSamples>> {
  const loaded = new Map<TaskName, TaskSamples>()
  for (const name of taskNames.filter(name => names.includes(name))) {
    loaded.set(name, await loadSamples(tasks[name], dataDir, protocol, limit ?? undefined))
  }
  return loaded
}

/**
 * Reads and checks the samples of a task.
 * @param limit reads only so many samples, from the first
 * @throws INVALID_ARGUMENT, DATA_NOT_FOUND, DATA_INVALID; a file without a single row is DATA_INVALID
 */
export async function loadSamples(
  task: Task,
  dataDir: string,
  protocol: Protocol,
  limit = Number.POSITIVE_INFINITY,
): Promise<TaskSamples> {
  const files = await findDataFiles(
    task.title,
    join(checkPath('dataDir', dataDir), task.name),
    task.data.stems,
  )
  const read = async <Sample>(sample: (row: Parameters<Task['sample']['card']>[0]) => Sample) => {
    const samples: Sample[] = []
    for await (const row of readRows(files)) {
      if (task.data.keep?.(row) ?? true) samples.push(sample(row))
      if (samples.length >= limit) break
    }
    if (samples.length === 0) {
      throw new MtLlamaError('DATA_INVALID', `${files.join(', ')}: no row for ${task.title}.`)
    }
    return samples
  }
  return task.kind === 'choice'
    ? { task, files, samples: await read(task.sample[protocol]) }
    : { task, files, samples: await read(task.sample[protocol]) }
}
