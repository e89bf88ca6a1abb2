// Tasks that the user defines: each brings its own form, whatever protocol the others are put by.

import type { AnyTask } from '../../tasks/task.ts'
import { Docs } from '../../tasks/yaml/doc.ts'
import type { TaskGroup } from '../../tasks/yaml/load.ts'
import { hashesOf, openTask } from '../../tasks/yaml/task.ts'
import type { Form, Protocol } from '../protocol.ts'
import { formOfDefinition } from './form.ts'

/** A task, and how it is put to a model. */
export interface OwnTask {
  task: AnyTask
  form: Form
}

export interface OwnTasks {
  tasks: readonly OwnTask[]
  groups: readonly TaskGroup[]
}

/**
 * Loads task files in lm-evaluation-harness's format (docs/tasks.md).
 * @param dataRoot what the paths of data in them are relative to
 * @throws TASK naming file and line, DATA_NOT_FOUND, DATA_INVALID
 */
export async function loadOwnTasks(files: readonly string[], dataRoot: string): Promise<OwnTasks> {
  // The YAML library is loaded once it is needed: bundles of ES modules cannot hold it.
  const { loadTaskFiles } = await import('../../tasks/yaml/load.ts')
  const { definitions, groups } = await loadTaskFiles(files)
  const tasks: OwnTask[] = []
  for (const definition of definitions) {
    const { task, docs } = await openTask(definition, dataRoot)
    tasks.push({ task, form: formOfDefinition(definition, docs) })
  }
  return { tasks, groups }
}

/** How saved samples of a task are judged again. */
export interface OwnJudging {
  task: Pick<AnyTask, 'name' | 'definition' | 'questions'>
  form: Form
}

/** What is needed of task files to judge saved samples, whose data may be gone. @throws TASK naming file and line */
export async function loadOwnJudging(files: readonly string[]): Promise<OwnJudging[]> {
  const { loadTaskFiles } = await import('../../tasks/yaml/load.ts')
  const { definitions } = await loadTaskFiles(files)
  return definitions.map(definition => ({
    task: { name: definition.name, ...hashesOf(definition) },
    form: formOfDefinition(definition, new Docs(definition, new Set(), () => [])),
  }))
}

/** A protocol that also has the forms of these tasks. */
export function withOwnTasks(protocol: Protocol, tasks: readonly OwnTask[]): Protocol {
  const forms = new Map(tasks.map(({ task, form }) => [task, form]))
  return { ...protocol, form: task => forms.get(task) ?? protocol.form(task) }
}
