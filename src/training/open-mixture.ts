// A mixture over the rows and templates at hand: which of its tasks there are, and with which caps.
import { createHash } from 'node:crypto'
import { ParquetServer } from '../data/parquet-table.ts'
import { openTable, type RowTable } from '../data/row-table.ts'
import { MtLlamaError } from '../errors.ts'
import { abortedError } from '../native/job.ts'
import { loadTemplates } from '../prompts/load-templates.ts'
import type { PromptTemplate } from '../prompts/prompt-template.ts'
import { otherLabelOrder } from './label-order.ts'
import { type Mixture, type TrainingSet, taskCap, taskName } from './mixture.ts'
import { rowFields } from './row-fields.ts'
import { findSet, type SetFiles } from './set-files.ts'

export interface OpenSet extends SetFiles {
  set: TrainingSet
  table: RowTable
  /** Names of its templates in the mixture. */
  templates: readonly PromptTemplate[]
}

/** A set with one of its templates. */
export interface TrainingTask {
  /** T0's name of it: 'glue_mrpc_same_thing'. */
  name: string
  of: OpenSet
  template: PromptTemplate
  /** Examples that an epoch of the mixture takes of it. */
  cap: number
  /** Tells its orders of rows from those of other tasks: a word of 32 bits, a hash of its name. */
  stream: number
}

export interface MissingSet {
  name: string
  /** Why the set, or some of its templates, are left out: a sentence without the full stop. */
  reason: string
}

export interface OpenMixtureOptions {
  /** The folder that holds the sets' folders. */
  dataRoot: string
  /** The folder promptsource/templates of a copy of promptsource. */
  templatesDir: string
  /** Whether sets may be missing; at least one has to be there. */
  allowMissing: boolean
  signal?: AbortSignal
}

export interface OpenMixture extends AsyncDisposable {
  mixture: Mixture
  sets: readonly OpenSet[]
  tasks: readonly TrainingTask[]
  missing: readonly MissingSet[]
  /** The sum of the tasks' caps: examples of an epoch. */
  totalCap: number
}

/** What a seeded order takes. */
const maxTotalCap = 2 ** 52

/**
 * Finds the sets of a mixture, opens their rows and loads their templates.
 * @throws DATA_NOT_FOUND naming the sets that are missing, unless they may be; DATA_INVALID for a first row that lacks a
 * field; PROMPT_TEMPLATE, TRAINING for a template that a set has not
 */
export async function openMixture(mixture: Mixture, options: OpenMixtureOptions): Promise<OpenMixture> {
  const server = new ParquetServer()
  const sets: OpenSet[] = []
  const missing: MissingSet[] = []
  const close = async () => {
    await Promise.all(sets.map(({ table }) => table.close()))
    server.close()
  }
  try {
    for (const set of mixture.sets) {
      if (options.signal?.aborted) throw abortedError(options.signal)
      const { open, lacking } = await openSet(set, options, server)
      if (open) sets.push(open)
      if (lacking !== undefined) missing.push({ name: set.name, reason: lacking })
    }
    checkMissing(mixture, sets, missing, options)
    const tasks = sets.flatMap(of => tasksOf(of, mixture))
    checkTasks(mixture, tasks)
    const totalCap = totalCapOf(mixture, tasks)
    return { mixture, sets, tasks, missing, totalCap, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openSet(
  set: TrainingSet,
  { dataRoot, templatesDir }: OpenMixtureOptions,
  server: ParquetServer,
): Promise<{ open?: OpenSet; lacking?: string }> {
  let files: SetFiles
  let known: PromptTemplate[]
  try {
    files = await findSet(dataRoot, set)
    known = await loadTemplates(templatesDir, set.name)
  } catch (error) {
    if (!(error instanceof MtLlamaError && error.code === 'DATA_NOT_FOUND')) throw error
    return { lacking: error.message.replace(`${set.name}: `, '').replace(/\.$/, '') }
  }
  const templates = chosen(set, known, templatesDir)
  const table = await openTable(files.files, server)
  try {
    const open = { ...files, set, table, templates }
    if (table.rows > 0) return await checked(open)
  } catch (error) {
    await table.close()
    throw error
  }
  await table.close()
  return { lacking: `${files.files.join(', ')}: no rows` }
}

/** Looks at rows: whether they have the fields that the templates name, and number labels as these do. */
async function checked(open: OpenSet): Promise<{ open?: OpenSet; lacking?: string }> {
  const { set, table, templates } = open
  rowFields(await table.row(0), set)
  const disagreement = await otherLabelOrder(table, set)
  if (disagreement === undefined) return { open }
  const fine = set.labels!.fine
  const rest = templates.filter(({ jinja }) => !jinja.includes(fine))
  const count = `${templates.length - rest.length} of its ${templates.length} templates`
  const lacking = `${count} take ${fine} in another order than the rows (${disagreement})`
  if (rest.length > 0) return { open: { ...open, templates: rest }, lacking }
  await table.close()
  return { lacking }
}

function chosen(set: TrainingSet, known: readonly PromptTemplate[], templatesDir: string): PromptTemplate[] {
  const wanted = set.templates
  const found =
    wanted === 'all'
      ? [...known]
      : wanted === 'original'
        ? known.filter(({ metadata }) => metadata.originalTask)
        : wanted.map(name => {
            const template = known.find(one => one.name === name)
            if (template) return template
            const names = known.map(one => JSON.stringify(one.name)).join(', ')
            throw new MtLlamaError(
              'TRAINING',
              `${set.name}: no template ${JSON.stringify(name)} in ${templatesDir}, which has ${names}. Is it another version of promptsource?`,
            )
          })
  if (found.length > 0) return found
  throw new MtLlamaError('TRAINING', `${set.name}: none of its templates in ${templatesDir} is asked for.`)
}

function checkMissing(
  mixture: Mixture,
  sets: readonly OpenSet[],
  missing: readonly MissingSet[],
  { allowMissing }: OpenMixtureOptions,
): void {
  if (sets.length > 0 && (allowMissing || missing.length === 0)) return
  const list = missing.map(({ name, reason }) => `\n  ${name}: ${reason}`).join('')
  const count = `${missing.length} of the ${mixture.sets.length} sets of the mixture ${mixture.name}`
  const wayOut = sets.length > 0 ? 'Bring them, or allow that sets are missing' : 'At least one is needed'
  throw new MtLlamaError(
    'DATA_NOT_FOUND',
    `${count} ${missing.length === 1 ? 'is' : 'are'} missing or incomplete:${list}\n${wayOut}.`,
  )
}

/** A set may have several entries, for templates that count differently, but none of its templates may. */
function checkTasks({ name }: Mixture, tasks: readonly TrainingTask[]): void {
  const seen = new Set<string>()
  for (const task of tasks) {
    if (seen.has(task.name))
      throw new MtLlamaError(
        'TRAINING',
        `the mixture ${name} has the template ${JSON.stringify(task.template.name)} of ${task.of.set.name} twice; give it one entry, with a weight.`,
      )
    seen.add(task.name)
  }
}

function totalCapOf({ name }: Mixture, tasks: readonly TrainingTask[]): number {
  const totalCap = tasks.reduce((sum, { cap }) => sum + cap, 0)
  if (totalCap <= maxTotalCap) return totalCap
  throw new MtLlamaError(
    'TRAINING',
    `the mixture ${name} has ${totalCap} examples an epoch; expected at most 2^52. Lower sizes or weights.`,
  )
}

function tasksOf(of: OpenSet, mixture: Mixture): TrainingTask[] {
  const { set, table, templates } = of
  const cap = taskCap(set.size ?? table.rows, templates.length, mixture, set.weight)
  return templates.map(template => {
    const name = taskName(set.name, template.name)
    return {
      ...{ name, of, template, cap },
      stream: createHash('sha256').update(name).digest().readUInt32LE(),
    }
  })
}
