// Loads task files: tasks with what they include, and groups with the tasks that they name.
import { readdir } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { MtLlamaError } from '../../errors.ts'
import { readDefinition, type TaskDefinition } from './definition.ts'
import { checkNested } from './keys.ts'
import { readYaml, type YamlValue } from './yaml-value.ts'

/** A mean over tasks. */
export interface GroupMetric {
  metric: string
  /** The filters whose figures are averaged; undefined: all that there are. */
  filters?: readonly string[]
  /** Whether a task counts by the number of its samples, and not like every other. */
  weightBySize: boolean
}

export interface TaskGroup {
  name: string
  title: string
  /** The names of all its tasks, those of groups inside too. */
  tasks: readonly string[]
  metrics: readonly GroupMetric[]
}

export interface TaskFiles {
  definitions: readonly TaskDefinition[]
  groups: readonly TaskGroup[]
}

type Entries = Map<string, YamlValue>
interface Loaded {
  entries: Entries
  root: YamlValue
}

/**
 * Loads files of tasks and groups; a group's tasks are looked for in the files beside its own, and in folders there.
 * @throws TASK naming file and line
 */
export async function loadTaskFiles(files: readonly string[]): Promise<TaskFiles> {
  const loader = new Loader()
  for (const file of files) await loader.load(file)
  return { definitions: [...loader.definitions.values()], groups: [...loader.groups.values()] }
}

class Loader {
  readonly definitions = new Map<string, TaskDefinition>()
  readonly groups = new Map<string, TaskGroup>()
  /** The files of a folder by the names of their tasks and groups. */
  readonly #indices = new Map<string, Promise<Map<string, string>>>()
  readonly #groupsBeingRead: string[] = []

  async load(file: string): Promise<void> {
    await this.#add(await entriesOf(file), file)
  }

  /** @returns the names of the tasks */
  async #add({ entries, root }: Loaded, file: string): Promise<readonly string[]> {
    if (entries.has('group')) return this.#addGroup(entries, root, file)
    const task = entries.get('task')
    if (task?.isList)
      throw task.error('task is a list, which makes a group; expected "group: NAME" beside it')
    const definition = readDefinition(entries, root)
    const other = this.definitions.get(definition.name)
    if (other && other.value.where !== definition.value.where)
      throw definition.value.error(`task ${definition.name} is defined in ${other.value.where} too`)
    this.definitions.set(definition.name, definition)
    return [definition.name]
  }

  async #addGroup(entries: Entries, root: YamlValue, file: string): Promise<readonly string[]> {
    checkNested(entries, 'a group', [
      'group',
      'group_alias',
      'task',
      'aggregate_metric_list',
      'metadata',
      'tag',
    ])
    const value = entries.get('group')!
    const name = value.text('group')
    const task = entries.get('task')
    if (!task) throw root.error(`group ${name} has no "task", the list of its tasks`)
    if (this.#groupsBeingRead.includes(name)) throw value.error(`group ${name} is part of itself`)
    this.#groupsBeingRead.push(name)
    const tasks: string[] = []
    for (const item of task.items()) tasks.push(...(await this.#child(item, file)))
    this.#groupsBeingRead.pop()
    const metrics = entries.get('aggregate_metric_list')
    this.groups.set(name, {
      name,
      title: entries.get('group_alias')?.text('group_alias') ?? name,
      tasks: [...new Set(tasks)],
      metrics: metrics && !metrics.isNull ? metrics.items().map(readGroupMetric) : [],
    })
    return tasks
  }

  async #child(item: YamlValue, file: string): Promise<readonly string[]> {
    if (!item.isMapping) return this.#named(item.text('a task of a group'), item, file)
    const entries: Entries = item.entries('a task of a group')
    if (entries.has('group')) return this.#add({ entries, root: item }, file)
    const name = entries.get('task')?.text('task')
    if (name === undefined) throw item.error('a task of a group has neither "task" nor "group"')
    const there = (await this.#index(file)).get(name)
    if (there === undefined) return this.#add({ entries, root: item }, file)
    const { entries: own } = await entriesOf(there)
    return this.#add({ entries: new Map([...own, ...entries]), root: item }, there)
  }

  async #named(name: string, item: YamlValue, file: string): Promise<readonly string[]> {
    if (this.definitions.has(name)) return [name]
    const group = this.groups.get(name)
    if (group) return group.tasks
    const index = await this.#index(file)
    const there = index.get(name)
    if (there !== undefined) return this.#add(await entriesOf(there), there)
    const known = [...index.keys()].slice(0, 8).join(', ') || 'none'
    throw item.error(`no task "${name}" in the files of ${dirname(file)}, which have ${known}`)
  }

  #index(file: string): Promise<Map<string, string>> {
    const folder = dirname(file)
    const index = this.#indices.get(folder) ?? indexOf(folder)
    this.#indices.set(folder, index)
    return index
  }
}

/** The names of tasks and groups in the files of a folder and those inside. A file that is broken names none. */
async function indexOf(folder: string): Promise<Map<string, string>> {
  const names = await readdir(folder, { recursive: true })
  const found = new Map<string, string>()
  for (const name of names.filter(one => /\.ya?ml$/.test(one)).sort()) {
    const file = join(folder, name)
    try {
      const entries = (await readYaml(file)).entries(file)
      const key = entries.get('group') ?? entries.get('task')
      if (key?.isText && !found.has(key.text('task'))) found.set(key.text('task'), file)
    } catch (error) {
      if (!(error instanceof MtLlamaError)) throw error
    }
  }
  return found
}

/** A file's keys after those of the files that it includes, which its own replace. */
async function entriesOf(file: string, including: readonly string[] = []): Promise<Loaded> {
  const root = await readYaml(file)
  const own = root.entries(file)
  const include = own.get('include')
  if (!include || include.isNull) return { entries: own, root }
  own.delete('include')
  const entries: Entries = new Map()
  for (const name of include.texts('include')) {
    const other = isAbsolute(name) ? name : join(dirname(file), name)
    if ([...including, file].includes(other)) throw include.error(`${name} includes this file again`)
    const { entries: more } = await entriesOf(other, [...including, file]).catch((error: unknown) => {
      if (!(error instanceof MtLlamaError) || !error.message.startsWith(`${other}: cannot be read`))
        throw error
      throw include.error(`include ${name}: ${error.message.slice(0, -1)}`)
    })
    for (const [key, value] of more) entries.set(key, value)
  }
  for (const [key, value] of own) entries.set(key, value)
  return { entries, root }
}

function readGroupMetric(value: YamlValue): GroupMetric {
  const entries = value.entries('an entry of aggregate_metric_list')
  checkNested(entries, 'aggregate_metric_list', ['metric', 'filter_list', 'aggregation', 'weight_by_size'])
  const metric = entries.get('metric')
  if (!metric) throw value.error('an entry of aggregate_metric_list has no "metric"')
  const aggregation = entries.get('aggregation')
  if (aggregation && aggregation.text('aggregation') !== 'mean')
    throw aggregation.error(
      `aggregation ${JSON.stringify(aggregation.plain())} is not supported; expected mean`,
    )
  const filters = entries.get('filter_list')
  return {
    metric: metric.text('metric'),
    ...(filters && !filters.isNull && { filters: filters.texts('filter_list') }),
    weightBySize: entries.get('weight_by_size')?.boolean('weight_by_size') ?? true,
  }
}
