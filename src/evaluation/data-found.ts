// Says what a data folder holds that lacks a task's data: most often it is the folder of one task, or has other tasks only.
import { readdir } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { endings, findDataFiles } from '../data/data-files.ts'
import { type Message, message } from '../errors.ts'
import { builtInTasks, languageSets, taskNames } from '../tasks/built-in/registry.ts'
import type { DataSource, Task } from '../tasks/task.ts'

const tasksOption = { kind: 'option', name: 'tasks' } as const
const dataDirOption = { kind: 'option', name: 'dataDir' } as const

/**
 * A sentence on what is there and how to choose it, after a space; nothing where there is no data.
 * @param lacking where the data of the task would lie that was looked for
 */
export async function dataFound(dataDir: string, lacking: DataSource): Promise<string | Message> {
  const folder = resolve(dataDir)
  const files = (await readdir(folder).catch(() => [])).filter(name => endings.includes(extname(name)))
  if (files.length === 0) {
    const names = await namesWithData(task => join(folder, task.data.folder))
    return names.length > 0 ? message` It has data of: ${names.join(', ')}; ${tasksOption} chooses.` : ''
  }
  const names = await namesWithData(task => (task.data.folder === basename(folder) ? folder : undefined))
  const holds = message` ${dataDir} holds ${files.slice(0, 8).join(', ')} itself, as the folder of one task does;`
  return names.length > 0
    ? message`${holds} give ${dataDirOption} ${dirname(folder)}, the folder around it, and choose by ${tasksOption}: ${names.join(', ')}.`
    : message`${holds} expected one folder a task, as ${join(dataDir, lacking.folder)}, of which ${tasksOption} chooses.`
}

/** The names that --tasks takes of tasks whose data is there. @param folderOf where the task's files would lie */
async function namesWithData(folderOf: (task: Task) => string | undefined): Promise<string[]> {
  const hasData = async (task: Task) => {
    const folder = folderOf(task)
    if (folder === undefined) return false
    return findDataFiles(task.title, folder, task.data.stems).then(
      () => true,
      () => false,
    )
  }
  const names: string[] = []
  for (const name of taskNames.ofOneLanguage) if (await hasData(builtInTasks.get(name)!)) names.push(name)
  for (const { name, tasks } of languageSets) {
    const all = [...tasks.values()]
    // The one file of a folder may hold English alone, which has been named then.
    if (names.some(other => builtInTasks.get(other)?.data.folder === all[0]!.data.folder)) continue
    const has = await Promise.all(all.map(hasData))
    if (has.every(Boolean)) names.push(name)
    else names.push(...all.filter((_, i) => has[i]).map(task => task.name))
  }
  return names
}
