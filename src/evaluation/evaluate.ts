// The main job: runs tasks in order on one model, saves as it goes, and adds up the results.
import { relative } from 'node:path'
import { performance } from 'node:perf_hooks'
import { MtLlamaError } from '../errors.ts'
import type { TaskSamples } from '../tasks/load-samples.ts'
import { type TaskName, taskNames } from '../tasks/registry.ts'
import { report } from './report.ts'
import type { RunResults, Settings, TaskResult } from './results.ts'
import type { RunFolder } from './run-folder.ts'
import { runTask, type Scorer } from './run-task.ts'
import { Tally } from './tally.ts'

export interface EvaluateOptions {
  /** The samples of each task to run, from loadTasks(): bad data ends a run before it costs anything. */
  work: ReadonlyMap<TaskName, TaskSamples>
  /** What the samples were read with, and the model. */
  settings: Settings
  /** Where to save; undefined: nowhere. */
  folder?: RunFolder | undefined
  /** Add the model card's own figures to table.md. @default false */
  card?: boolean
  /** Stops the run; what is done is saved and returned. */
  signal?: AbortSignal
  onProgress?: (progress: EvaluateProgress) => void
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
 * Results of the same settings that the folder holds already are kept, those of a task that runs again are replaced.
 * @returns the folder's results; after an abort the running task's are partial and later ones are missing
 * @throws OUTPUT, and what scoring throws; tasks finished before are saved
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
  for (const [name, samples] of options.work) {
    if (signal?.aborted) break
    const { result, error } = await runAndSave(model, name, samples, options)
    if (result.samplesDone > 0) {
      results.tasks = inOrder({ ...results.tasks, [name]: result })
      await folder?.write(results, report(results, { card: options.card ?? false }))
    }
    if (error !== undefined) throw error
  }
  return results
}

/** Runs a task to its end, its failure or the abort. A failure comes back beside what was done before it. */
async function runAndSave(
  model: Scorer,
  name: TaskName,
  work: TaskSamples,
  { settings, folder, signal, onProgress }: EvaluateOptions,
): Promise<{ result: TaskResult; error?: unknown }> {
  const start = performance.now()
  const seconds = () => (performance.now() - start) / 1000
  const tally = new Tally()
  let tokens = 0
  const tell = () =>
    onProgress?.({
      task: name,
      samplesDone: tally.samples,
      samplesTotal: work.samples.length,
      tokens,
      seconds: seconds(),
    })
  const onTokens = (count: number) => {
    tokens = count
    tell()
  }
  const file = await folder?.samples(name)
  let error: unknown
  try {
    try {
      for await (const record of runTask(model, work, { tooLong: settings.tooLong, signal, onTokens })) {
        tally.add(record)
        await file?.add(record)
        tell()
      }
    } catch (thrown) {
      if (thrown instanceof MtLlamaError && thrown.code === 'OUTPUT') throw thrown
      if (!signal?.aborted) error = thrown
    }
    if (tally.samples > 0) await file?.close()
    else await file?.discard()
  } catch (thrown) {
    await file?.discard()
    throw thrown
  }
  const result: TaskResult = {
    status: tally.samples === work.samples.length ? 'complete' : 'partial',
    files: work.files.map(path => relative(settings.dataDir, path)),
    samplesTotal: work.samples.length,
    samplesDone: tally.samples,
    metrics: tally.metrics(),
    ties: tally.ties,
    truncated: tally.truncated,
    tokens,
    seconds: seconds(),
  }
  return { result, error }
}

function inOrder(done: RunResults['tasks']): RunResults['tasks'] {
  return Object.fromEntries(taskNames.filter(name => done[name]).map(name => [name, done[name]]))
}
