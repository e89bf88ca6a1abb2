// Judges the saved samples of a run again, without a model: after a mended metric, or to look for another answer in texts.
import { checkOptions, optionNames } from '../calls/options.ts'
import { MtLlamaError, message } from '../errors.ts'
import { formWithMutualInfo, mutualInfo } from '../protocols/mutual-info.ts'
import type { OwnJudging } from '../protocols/own/own.ts'
import type { Form } from '../protocols/protocol.ts'
import { protocols } from '../protocols/registry.ts'
import { t0Judging } from '../protocols/t0.ts'
import { builtInTasks } from '../tasks/built-in/registry.ts'
import { countedResult } from './counted-result.ts'
import { hasScores } from './done-samples.ts'
import { groupResults } from './group-results.ts'
import { Journal, readJournal } from './journal.ts'
import { languageMeans } from './language-means.ts'
import { canBeWrong, isNotFinite, notFiniteError } from './not-finite.ts'
import { report } from './report.ts'
import type { RunResults, SampleRecord, TaskResult } from './results.ts'
import { warn } from './run.ts'
import { RunFolder } from './run-folder.ts'
import { wrong } from './run-task.ts'
import { Tally } from './tally.ts'

export interface RescoreOptions {
  /** The run's tasks of loadTasks() and defineTask(); those that are built in need not be named. @default [] */
  tasks?: readonly OwnJudging[]
  /** Whether table.md has the model card's own figures too. @default false */
  card?: boolean
}

const rescoreOptionNames = optionNames<RescoreOptions>({ tasks: true, card: true })

/**
 * Judges the saved samples of a run again without a model, and rewrites its samples, results.json and table.md. Metrics and filters
 * of a task may have changed since, registered ones too; what it asks may not.
 * @param path the --out folder of the run
 * @throws INVALID_ARGUMENT for a task that is neither built in nor given; OUTPUT where the folder holds no run, its samples
 *   cannot be read, or a task asks by another definition now; SCORE_NOT_FINITE for a sample that a perplexity is asked of
 */
export async function rescore(path: string, options: RescoreOptions = {}): Promise<RunResults> {
  checkOptions(options, rescoreOptionNames)
  await using folder = await RunFolder.open(path)
  return await rescoreFolder(folder, options)
}

export async function rescoreFolder(
  folder: RunFolder,
  { tasks: own = [], card = false }: RescoreOptions,
): Promise<RunResults> {
  const results = await folder.results()
  if (!results)
    throw new MtLlamaError('OUTPUT', `${folder.path} holds no results.json, so no run to judge again`)
  const judgings = Object.keys(results.tasks).map(name => {
    const judging = own.find(({ task }) => task.name === name)
    if (judging) checkSame(folder.path, results.tasks[name]!, judging.task)
    const form = judging?.form ?? savedForm(name, results.settings.protocol)
    return { name, task: judging?.task, form: results.settings.pmi ? formWithMutualInfo(form) : form }
  })
  for (const { name, task, form } of judgings) {
    const file = folder.journal(name)
    const { records } = await readJournal(file)
    if (records.length === 0 || !records.every(hasScores))
      throw new MtLlamaError('OUTPUT', `${file}: no samples that could be judged again`)
    const tally = new Tally(form.aggregations)
    const journal = await Journal.replace(file)
    try {
      for (const record of records) {
        const anew = judgedAgain(record, form, results.settings.dtype)
        tally.add(anew)
        await journal.add(anew)
      }
    } catch (error) {
      await journal.discard()
      throw error
    }
    await journal.close()
    const { aggregations: _, ...before } = results.tasks[name]!
    const { headline, aggregations } = form
    const { definition, questions, timing } = { ...before, ...task }
    results.tasks[name] = {
      ...(await countedResult(tally, { ...before, headline, ...(aggregations && { aggregations }) })),
      ...(definition !== undefined && { definition }),
      ...(questions !== undefined && { questions }),
      timing,
    }
    results.languageMeans = languageMeans(results.tasks)
    warn(results)
    if (results.groups) results.groups = groupResults(Object.values(results.groups), results.tasks)
    await folder.write(results, report(results, { card }))
  }
  return results
}

/** @throws OUTPUT where the samples are of other questions than the task has now */
function checkSame(
  path: string,
  saved: TaskResult,
  { name, definition, questions }: OwnJudging['task'],
): void {
  if (saved.definition === definition || (questions !== undefined && saved.questions === questions)) return
  throw new MtLlamaError(
    'OUTPUT',
    `${path} holds samples of ${name} by other questions than the task has now: only metrics and filters may change where samples are judged again. Run it anew into another --out folder.`,
  )
}

/** The form in which a task was run. @throws INVALID_ARGUMENT for one that is not built in */
function savedForm(name: string, protocol: string): Form {
  const task = builtInTasks.get(name)
  const form = protocol === 't0' ? t0Judging(name) : task && protocols.get(protocol)?.form(task)
  if (form) return form
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`the run has task "${name}" by protocol ${protocol}, which this version cannot judge. Give ${{ kind: 'option', name: 'tasks' }}, with the file or definition of a task of your own`,
  )
}

/** @param dtype of the model that gave the answer */
function judgedAgain(record: SampleRecord, form: Form, dtype: string): SampleRecord {
  const {
    prediction: _,
    scores: __,
    tied: ___,
    failed: ____,
    pairedWith: _____,
    truncatedTokens,
    ...asked
  } = record
  if (record.kind !== form.kind)
    throw new MtLlamaError(
      'OUTPUT',
      `sample ${JSON.stringify(record.id)} was a question of kind ${record.kind}; its task asks by ${form.kind}`,
    )
  if (form.kind === 'rank' && form.isUnconditionalAsked && record.kind === 'rank' && !record.unconditional)
    throw new MtLlamaError(
      'OUTPUT',
      `sample ${JSON.stringify(record.id)} was asked without the scores of its choices alone, which ${mutualInfo} needs. Run the task anew into another --out folder.`,
    )
  if (isNotFinite(record) && !canBeWrong(form))
    throw notFiniteError(record, form, `sample ${JSON.stringify(record.id)}`, dtype)
  // The kinds of record and form are the same.
  const outcome = isNotFinite(record) ? wrong(form, record) : form.judge(record as never, record as never)
  return { ...asked, ...outcome, truncatedTokens } as SampleRecord
}
