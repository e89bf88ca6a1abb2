// Makes a task of its definition: finds its files, reads the shots, and checks what is right about each row.
import { createHash } from 'node:crypto'
import { readRows } from '../../data/data-files.ts'
import { Row } from '../../data/row.ts'
import { MtLlamaError } from '../../errors.ts'
import type { AnyTask, Item } from '../task.ts'
import { evaluatedSplit, fewShotSplit, filesOfSplit } from './data.ts'
import type { OutputType, TaskDefinition } from './definition.ts'
import { Docs, type Target } from './doc.ts'
import { type ShotsOf, sampler } from './few-shot.ts'

/** The fields of an item: its row, as the task puts it. */
export interface DocFields {
  row: Row
  /** The place among the items. */
  index: number
  choices: readonly string[] | undefined
  /** Indices of right choices, or right texts; at least one. */
  golds: readonly (number | string)[]
  /** What follows each of the choices, where these are prompts. */
  continuation?: string
}

export interface OpenTask {
  task: AnyTask
  docs: Docs
}

/**
 * @param dataRoot what paths in task files are relative to
 * @throws TASK, DATA_NOT_FOUND, DATA_INVALID
 */
export async function openTask(definition: TaskDefinition, dataRoot: string): Promise<OpenTask> {
  const files = await filesOfSplit(definition, evaluatedSplit(definition), dataRoot)
  const first = await firstRow(files, definition)
  const docs = new Docs(definition, new Set(first.names()), await shotsOf(definition, dataRoot))
  // As in the harness, the first row says whether choices are prompts.
  const arePrompts = docs.promptIndex(first) !== undefined
  if (arePrompts && definition.outputType !== 'multiple_choice')
    throw definition.docs.text!.value.error(
      `doc_to_text gives the number of a choice, which belongs to output_type multiple_choice; the task has ${definition.outputType}`,
    )
  const task: AnyTask = {
    name: definition.name,
    title: definition.title,
    data: { files },
    ...hashesOf(definition),
    item(row, index) {
      const choices = docs.choices(row)
      const target = docs.target(row)
      if (arePrompts) return promptItem(docs, { row, index, choices: choices!, target })
      const golds = goldsOf(definition.outputType, target, choices, expected =>
        docs.wrongTarget(row, target, expected),
      )
      const fields = { row, index, choices, golds }
      const gold = typeof golds[0] === 'number' ? golds[0] : (golds as readonly string[])
      return { id: String(index), fields, gold }
    },
  }
  return { task, docs }
}

/** Keys that do not decide what is asked. */
const judging = ['metric_list', 'filter_list', 'task_alias', 'tag', 'metadata']

/** The hashes by which samples are known to be of a definition. */
export function hashesOf({ source }: TaskDefinition): Required<Pick<AnyTask, 'definition' | 'questions'>> {
  const hash = (value: object) => createHash('sha256').update(JSON.stringify(value)).digest('hex')
  const asked = Object.entries(source).filter(([key]) => !judging.includes(key))
  return { definition: hash(source), questions: hash(Object.fromEntries(asked)) }
}

/** The item of a task whose choices are prompts: the target follows each, and doc_to_text is the number of the right one. */
function promptItem(
  docs: Docs,
  { row, index, choices, target }: { row: Row; index: number; choices: readonly string[]; target: Target },
): Item {
  if (typeof target === 'object' || target === '')
    throw docs.wrongTarget(row, target, 'the text that follows each of the choices')
  const gold = docs.promptIndex(row)
  if (gold === undefined || gold < 0 || gold >= choices.length)
    throw docs.wrongText(row, `the number of one of ${choices.length} choices, as in the first row`)
  const fields: DocFields = { row, index, choices, golds: [gold], continuation: String(target) }
  return { id: String(index), fields: { ...fields }, gold }
}

async function firstRow(files: readonly string[], { title }: TaskDefinition): Promise<Row> {
  for await (const row of readRows(files)) return row
  throw new MtLlamaError('DATA_INVALID', `${files.join(', ')}: no row for ${title}.`)
}

async function shotsOf(definition: TaskDefinition, dataRoot: string): Promise<ShotsOf> {
  const { fewShot, splits, value } = definition
  if (fewShot.count === 0) return () => []
  if (fewShot.samples) {
    const rows = fewShot.samples.map((sample, i) => new Row(sample, `${value.where}, sample ${i + 1}`, i + 1))
    return sampler(definition, rows, false)
  }
  const split = fewShotSplit(definition)
  if (!split) throw value.error(`num_fewshot is ${fewShot.count}, and no split to take shots from is named`)
  const pool: Row[] = []
  for await (const row of readRows(await filesOfSplit(definition, split, dataRoot))) pool.push(row)
  // The harness compares the names of the splits, of which neither may be given.
  const holdsItems = fewShot.split?.plain() === splits.test?.plain()
  return sampler(definition, pool, holdsItems)
}

/**
 * What is right about a row: indices of choices, or texts; one at least.
 * @param wrong makes the error for a target that cannot be right
 */
export function goldsOf(
  outputType: OutputType,
  target: Target,
  choices: readonly string[] | undefined,
  wrong: (expected: string) => MtLlamaError,
): readonly (number | string)[] {
  const several = typeof target === 'object' ? target : [target]
  if (several.length === 0) throw wrong('one right answer at least')
  switch (outputType) {
    case 'multiple_choice':
      return several.map(one => {
        const index = typeof one === 'string' ? choices!.indexOf(one) : one
        if (index >= 0 && index < choices!.length) return index
        throw wrong(
          `the index or the text of one of ${choices!.length} choices. Test sets are published without`,
        )
      })
    case 'generate_until':
      return several.map(one => {
        const text = typeof one === 'number' && choices ? choices[one] : String(one)
        if (text !== undefined) return text
        throw wrong(`the index of one of ${choices!.length} choices`)
      })
    default:
      if (typeof target === 'string') return [target]
      throw wrong('a text')
  }
}
