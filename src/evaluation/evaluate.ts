// The main job: runs tasks in order on one model, saves as it goes, and adds up the results.
import type { TaskSamples } from '../tasks/load-samples.ts'
import { type TaskName, taskNames } from '../tasks/registry.ts'
import { recounted } from './counted-result.ts'
import { report } from './report.ts'
import type { RunResults, Settings, TaskResult } from './results.ts'
import type { RunFolder } from './run-folder.ts'
import type { Scorer } from './run-task.ts'
import { runAndSave } from './save-task.ts'

export interface EvaluateOptions {
  /** The samples of each task to run, from loadTasks(): bad data ends a run before it costs anything. */
  work: ReadonlyMap<TaskName, TaskSamples>
  /** What the samples were read with, and the model. */
  settings: Settings
  /** Where to save; undefined: nowhere. */
  folder?: RunFolder | undefined
  /** Run tasks from their start that the folder has results of. @default false: complete ones are kept, others gone on with */
  redo?: boolean
  /** Count samples for which the model gives NaN or an infinity as wrong, and go on. @default false: an error */
  allowNan?: boolean
  /** Add the model card's own figures to table.md. @default false */
  card?: boolean
  /** Stops the run; what is done is saved and returned. */
  signal?: AbortSignal
  onProgress?: (progress: EvaluateProgress) => void
  /** Told of samples of earlier runs that stay as they are: all of a complete task, the first of a partial one. */
  onKept?: (kept: KeptSamples) => void
}

export interface KeptSamples {
  task: TaskName
  /** Done by earlier runs. */
  samplesKept: number
  samplesTotal: number
  /** 'done': they are not run again. 'redo': the run that was to replace them was stopped before it had done as many. */
  reason: 'done' | 'redo'
}

export interface EvaluateProgress {
  task: TaskName
  samplesDone: number
  samplesTotal: number
  /** Tokens run in this task. */
  tokens: number
  /** Since the task began. */
  seconds: number
}

/**
 * Goes on with the results of the same settings that the folder holds: a sample that is done is not run again, and
 * nothing that is done is ever replaced by less.
 * @returns the folder's results; after an abort the running task's are partial and later ones are missing
 * @throws OUTPUT, SCORE_NOT_FINITE, and what scoring throws; samples done before are saved
 */
export async function evaluate(model: Scorer, options: EvaluateOptions): Promise<RunResults> {
  const { settings, folder, signal } = options
  const earlier = await folder?.earlier(settings)
  const results: RunResults = {
    settings,
    model: model.info,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    tasks: { ...earlier?.tasks },
  }
  const save = async () => {
    const isEmpty = Object.keys(results.tasks).length === 0
    await folder?.write(results, isEmpty ? '' : report(results, { card: options.card ?? false }))
  }
  for (const name of taskNames) {
    const done = results.tasks[name]
    if (folder && done && !options.work.has(name))
      results.tasks[name] = await recounted(done, folder.journal(name))
  }
  // Before the first sample: a journal whose settings are not known would be worth nothing after a kill.
  await save()
  for (const [name, samples] of options.work) {
    if (signal?.aborted) break
    const before = results.tasks[name]
    const keep = async (result: TaskResult) => {
      // A journal that somebody has removed leaves its results, until there are as many again.
      if (!options.redo && result.samplesDone < (before?.samplesDone ?? 0)) return
      results.tasks = inOrder({ ...results.tasks, [name]: result })
      await save()
    }
    const { result, error } = await runAndSave(model, name, samples, before, options, keep)
    if (result) await keep(result)
    if (error !== undefined) throw error
  }
  return results
}

function inOrder(done: RunResults['tasks']): RunResults['tasks'] {
  return Object.fromEntries(taskNames.filter(name => done[name]).map(name => [name, done[name]]))
}
