// Runs tasks in order on one model, saves as it goes, and adds up the results.
import type { ScoreCache } from '../scoring/cache.ts'
import { builtInTasks } from '../tasks/built-in/registry.ts'
import type { TaskGroup } from '../tasks/yaml/load.ts'
import { collapseWarnings } from './choices.ts'
import { recounted } from './counted-result.ts'
import { groupResults } from './group-results.ts'
import { languageMeans } from './language-means.ts'
import { report } from './report.ts'
import type { RunResults, SampleRecord, Settings, TaskResult, WholeRun } from './results.ts'
import type { RunFolder } from './run-folder.ts'
import { runAndSave } from './save-task.ts'
import type { Scorer } from './scorer.ts'
import type { Work } from './work.ts'

export interface RunOptions {
  /** What to ask, as loadWork() gives it: bad data ends a run before it costs anything. Names of tasks differ. */
  work: readonly Work[]
  /** The settings that the samples were read with and the model was loaded with. */
  settings: Settings
  /** What the protocol says of the tokenizer's tokens (Protocol.tokenNotes). @default [] */
  tokenNotes?: readonly string[]
  /** What a reader must know of how prompts were made. @default [] */
  promptNotes?: readonly string[]
  /** Groups of tasks whose means are taken. @default [] */
  groups?: readonly TaskGroup[]
  /** What `work` is a part of, where it is the work of a shard. */
  whole?: WholeRun | undefined
  /** The folder to save in; undefined saves nothing. */
  folder?: RunFolder | undefined
  /** Scores of earlier runs by the model. @default none */
  scoreCache?: ScoreCache | undefined
  /** Whether tasks that the folder has results of are run from their start. @default false: only what is missing is run */
  redo?: boolean
  /** Whether samples for which the model gives NaN or an infinity count as wrong. @default false: they are an error */
  allowNan?: boolean
  /** Whether table.md has the model card's own figures too. @default false */
  card?: boolean
  /** Stops the run; what is done is saved and returned. */
  signal?: AbortSignal
  onProgress?: (progress: EvaluateProgress) => void
  /** Called with the samples of earlier runs that are kept: all of a complete task, the first ones of a partial task. */
  onKept?: (kept: KeptSamples) => void
}

export interface KeptSamples {
  /** The task's name. */
  task: string
  title: string
  /** Number of samples that earlier runs have done. */
  samplesKept: number
  samplesTotal: number
  /** 'done': the samples are not run again. 'redo': the run that was to replace them was stopped before it had as many. */
  reason: 'done' | 'redo'
}

export interface EvaluateProgress {
  /** The task's name. */
  task: string
  title: string
  samplesDone: number
  samplesTotal: number
  /** Tokens that the model has run for this task. */
  tokens: number
  /** What `tokens` may come to, by the samples planned so far; undefined while nothing tells. */
  tokensTotal: number | undefined
  /** Time since the task began. */
  seconds: number
}

/** A sample with the name of its task. */
export type TaskSample = { task: string } & SampleRecord

/**
 * Runs what is missing in the folder's results, which must have the same settings but for a lower limit: a sample that is
 * done is not run again, and nothing that is done is ever replaced by less. Yields all samples of the work, those that were
 * done too; a loop that is left ends the run, which saves.
 * @returns the folder's results; after an abort the running task's are partial and later ones are missing
 * @throws OUTPUT, SCORE_NOT_FINITE, and what scoring throws; samples done before are saved
 */
export async function* runWork(
  model: Scorer,
  options: RunOptions,
): AsyncGenerator<TaskSample, RunResults, undefined> {
  const { settings, folder, signal } = options
  const asked = new Set(options.work.map(({ task }) => task.name))
  const earlier = await folder?.earlier(settings, asked)
  const results: RunResults = {
    settings,
    model: model.info,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    tasks: { ...earlier?.tasks },
    languageMeans: {},
    tokenNotes: options.tokenNotes ?? [],
    ...(options.promptNotes?.length && { promptNotes: options.promptNotes }),
    ...(options.whole && { whole: options.whole }),
  }
  const groups: Record<string, TaskGroup> = {
    ...earlier?.groups,
    ...Object.fromEntries((options.groups ?? []).map(group => [group.name, group])),
  }
  const save = async () => {
    results.languageMeans = languageMeans(results.tasks)
    warn(results)
    if (Object.keys(groups).length > 0) results.groups = groupResults(Object.values(groups), results.tasks)
    const isEmpty = Object.keys(results.tasks).length === 0
    await folder?.write(results, isEmpty ? '' : report(results, { card: options.card ?? false }))
  }
  const others = Object.keys(results.tasks).filter(name => !asked.has(name))
  for (const name of others)
    results.tasks[name] = await recounted(results.tasks[name]!, folder!.journal(name))
  // The settings are saved before the first sample: without them a journal would be worth nothing after a kill.
  await save()
  for (const work of options.work) {
    if (signal?.aborted) break
    const { name } = work.task
    const before = results.tasks[name]
    const keep = async (result: TaskResult) => {
      // If somebody has removed the journal, its results are kept until there are as many samples again.
      if (!options.redo && result.samplesDone < (before?.samplesDone ?? 0)) return
      results.tasks = inOrder({ ...results.tasks, [name]: result })
      await save()
    }
    for await (const record of runAndSave(model, work, before, options, keep)) yield { task: name, ...record }
  }
  return results
}

/** Gives results the warnings that their tasks make now. */
export function warn(results: RunResults): void {
  const warnings = collapseWarnings(Object.values(results.tasks))
  if (warnings.length > 0) results.warnings = warnings
  else delete results.warnings
}

/** Runs to the end without looking at samples. @throws what runWork() throws */
export function runToEnd(model: Scorer, options: RunOptions): Promise<RunResults> {
  return resultsOf(runWork(model, options))
}

/** The results at the end of a stream of samples. */
export async function resultsOf(
  samples: AsyncGenerator<TaskSample, RunResults, undefined>,
): Promise<RunResults> {
  for (;;) {
    const { done, value } = await samples.next()
    if (done) return value
  }
}

/** The built-in tasks in the order of the tables, then the others as they came. */
export function inOrder(done: RunResults['tasks']): RunResults['tasks'] {
  const names = new Set([...builtInTasks.keys(), ...Object.keys(done)])
  return Object.fromEntries([...names].filter(name => done[name]).map(name => [name, done[name]!]))
}
