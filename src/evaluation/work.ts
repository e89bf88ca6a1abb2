// Reads the items of tasks from a data folder and asks about them, all of it before a model is loaded or anything scored.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { findDataFiles, readRows } from '../data/data-files.ts'
import type { Row } from '../data/row.ts'
import { MtLlamaError, message } from '../errors.ts'
import { checkPath } from '../files/path.ts'
import type { Ask, Form, Protocol, Skipped } from '../protocols/protocol.ts'
import type { AnyTask } from '../tasks/task.ts'
import { dataFound } from './data-found.ts'

/** A task, how it is put to a model, and all that is asked. */
export interface Work {
  task: AnyTask
  form: Form
  /** The files that the items were read from. */
  files: readonly string[]
  /** In the order of the data. */
  asks: readonly Ask[]
  /** What is not asked. */
  skipped: readonly Skipped[]
}

/** The folder that tasks are read from, and how much of it. */
export interface DataOptions {
  dataDir: string
  /** How many items of each task are read, from the first; null reads all. */
  limit: number | null
  /** How many items of each task are drawn from all, the same ones each time. @default all that the limit leaves */
  sample?: number
}

/**
 * The work of several tasks, in their order.
 * @throws INVALID_ARGUMENT for a task that the protocol has no form for, DATA_NOT_FOUND, DATA_INVALID
 */
export async function loadWork(
  tasks: readonly AnyTask[],
  protocol: Protocol,
  data: DataOptions,
): Promise<Work[]> {
  const forms = tasks.map(task => formOf(task, protocol))
  const work: Work[] = []
  for (const [i, task] of tasks.entries()) work.push(await loadTask(task, forms[i]!, data))
  return work
}

function formOf(task: AnyTask, protocol: Protocol): Form {
  const form = protocol.form(task)
  if (form) return form
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    `protocol ${protocol.name} does not say how to ask about ${task.title} ("${task.name}")`,
  )
}

async function loadTask(task: AnyTask, form: Form, options: DataOptions): Promise<Work> {
  const { dataDir, limit, sample } = options
  const files = await filesOf(task, dataDir)
  const keep = ('keep' in task.data && task.data.keep) || (() => true)
  const drawn =
    sample === undefined ? undefined : await drawItems(task.name, keptRows(files, keep, limit), sample)
  const asks: Ask[] = []
  const skipped: Skipped[] = []
  let items = 0
  for await (const row of keptRows(files, keep, limit)) {
    const index = items++
    if (drawn && !drawn.has(index)) continue
    for (const ask of form.asks(task.item(row, index), row.where))
      if (ask.kind === 'skipped') skipped.push(ask)
      else asks.push(ask)
  }
  if (items === 0) throw new MtLlamaError('DATA_INVALID', `${files.join(', ')}: no row for ${task.title}.`)
  if (asks.length === 0)
    throw new MtLlamaError(
      'DATA_INVALID',
      `${files.join(', ')}: nothing can be asked about any of the ${items} items for ${task.title}: ${skipped[0]?.reason}.`,
    )
  return { task, form, files, asks, skipped }
}

async function* keptRows(
  files: readonly string[],
  keep: (row: Row) => boolean,
  limit: number | null,
): AsyncGenerator<Row> {
  let items = 0
  for await (const row of readRows(files)) {
    if (!keep(row)) continue
    yield row
    if (++items === limit) return
  }
}

/** Which rows are drawn: those whose numbers have the lowest hashes, since neighbours are often about one text. */
async function drawItems(
  name: string,
  rows: AsyncIterable<Row>,
  count: number,
): Promise<ReadonlySet<number>> {
  const hashes: { index: number; hash: string }[] = []
  for await (const _ of rows) {
    const index = hashes.length
    hashes.push({ index, hash: createHash('sha256').update(`${name} ${index}`).digest('hex') })
  }
  hashes.sort((a, b) => (a.hash < b.hash ? -1 : 1))
  return new Set(hashes.slice(0, count).map(({ index }) => index))
}

async function filesOf({ title, data }: AnyTask, dataDir: string): Promise<readonly string[]> {
  if ('files' in data) return data.files
  const folder = join(checkPath('dataDir', dataDir), data.folder)
  return findDataFiles(title, folder, data.stems).catch(async (error: unknown) => {
    if (!(error instanceof MtLlamaError)) throw error
    const found = await dataFound(dataDir, data)
    throw new MtLlamaError(error.code, message`${error.message}${found}`, { cause: error })
  })
}

/** The name of a sample in messages: 'COPA, sample 3 ("2")' for the index 2. */
export function sampleName({ task, asks }: Work, index: number): string {
  const { id, template } = asks[index]!
  const by = template === undefined ? '' : `, template ${JSON.stringify(template)}`
  return `${task.title}, sample ${index + 1} (${JSON.stringify(id)}${by})`
}
