// Reads --tasks: names of built-in tasks, and files that define others.
import { InvalidArgumentError } from 'commander'
import { cardTasks, namedTasks, taskNames } from '../tasks/built-in/registry.ts'
import type { Task } from '../tasks/task.ts'

export interface AskedTasks {
  builtIn: readonly Task[]
  /** Task files, in the order in which they are named. */
  files: readonly string[]
}

export const allOfCard: AskedTasks = { builtIn: cardTasks, files: [] }

export const taskWords = `${taskNames.ofOneLanguage.join(', ')}; in their languages ${taskNames.ofSets.join(', ')}, or one of these as xnli_de`

/** Parses a list like copa,tasks/mine.yaml. */
export function parseTasks(text: string): AskedTasks {
  const names = [...new Set(text.split(',').map(name => name.trim()))]
  const isFile = (name: string) => /\.ya?ml$/.test(name)
  const { tasks: builtIn, unknown } = namedTasks(names.filter(name => !isFile(name)))
  if (unknown.length > 0) {
    throw new InvalidArgumentError(
      `No task ${unknown.map(name => `"${name}"`).join(', ')}; there are ${taskWords}. A file of your own ends in .yaml.`,
    )
  }
  return { builtIn, files: names.filter(isFile) }
}
