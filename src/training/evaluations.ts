// Evaluates a model while it is trained, by the weights of the last step, on the same sample of each task every time.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { findDataFiles } from '../data/data-files.ts'
import { MtLlamaError } from '../errors.ts'
import { auc } from '../evaluation/choices.ts'
import type { RunResults, Settings, TaskResult } from '../evaluation/results.ts'
import { type EvaluateProgress, runToEnd } from '../evaluation/run.ts'
import { RunFolder } from '../evaluation/run-folder.ts'
import type { Scorer } from '../evaluation/scorer.ts'
import { runSettings } from '../evaluation/settings.ts'
import { loadWork, type Work } from '../evaluation/work.ts'
import { abortedError } from '../native/job.ts'
import { card } from '../protocols/card.ts'
import { cardTasks, namedTasks } from '../tasks/built-in/registry.ts'
import type { Task } from '../tasks/task.ts'
import type { OpenRun } from './open-run.ts'
import type { TrainSettings } from './train-config.ts'
import { stepName } from './train-folder.ts'
import { weightsHash } from './train-state.ts'

/** What an evaluation has found. */
export interface TrainEvaluation {
  /** The step whose weights the model had; 0: those that training began with. */
  step: number
  /** A folder of results and samples, as evaluate() saves them. */
  path: string
  /** By the task's name. */
  tasks: Record<string, EvaluatedTask>
  /** Where one answer takes nearly all predictions of a task. */
  warnings: readonly string[]
  seconds: number
}

/** A task's figures: those that stand for it in tables, and `auc` where it has two choices. */
export type EvaluatedTask = Pick<TaskResult, 'title' | 'samplesDone' | 'metrics'>

type SampledData = Pick<Settings, 'dataDir' | 'limit'> & { sample: number }

interface RunEvaluation {
  signal: AbortSignal | undefined
  onEvaluating: ((progress: EvaluateProgress) => void) | undefined
}

export class Evaluations {
  readonly #settings: TrainSettings
  readonly #run: Pick<OpenRun, 'inputs' | 'steps'>
  readonly #work: readonly Work[]
  readonly #data: SampledData

  private constructor(settings: TrainSettings, run: OpenRun, work: readonly Work[], data: SampledData) {
    this.#settings = settings
    this.#run = run
    this.#work = work
    this.#data = data
  }

  /**
   * Reads what will be asked.
   * @returns undefined where the run has no evaluations
   * @throws DATA_NOT_FOUND, DATA_INVALID, INVALID_ARGUMENT for a task that protocol card has no form for
   */
  static async open(settings: TrainSettings, run: OpenRun): Promise<Evaluations | undefined> {
    const { evalEvery, evalDir, evalSamples, evalTasks } = settings
    if (evalEvery === 0) return undefined
    // The settings are known to go together.
    const dataDir = evalDir!
    const data = { dataDir, limit: null, sample: evalSamples }
    const tasks = evalTasks.length > 0 ? namedTasks(evalTasks).tasks : await tasksAtHand(dataDir)
    return new Evaluations(settings, run, await loadWork(tasks, card, data), data)
  }

  /** Whether the model is evaluated as it is after a step. */
  isDue(step: number): boolean {
    return step === 0 || step === this.#run.steps || step % this.#settings.evalEvery === 0
  }

  /**
   * Evaluates, and saves samples and results below the out folder; of what is there already by these weights nothing is run
   * again.
   * @throws ABORTED (what is done is saved), OUTPUT
   */
  async run(step: number, model: Scorer, { signal, onEvaluating }: RunEvaluation): Promise<TrainEvaluation> {
    const began = performance.now()
    const path = join(this.#settings.out, 'eval', stepName(step))
    const { inputs } = this.#run
    const scorer = named(
      model,
      join(this.#settings.out, stepName(step)),
      weightsHash(this.#settings, inputs, step),
    )
    const settings = await runSettings(scorer, {
      ...{ protocol: card.name, tooLong: 'truncate-left', ...this.#data },
    })
    await using folder = await openFolder(path, settings)
    const results = await runToEnd(scorer, {
      ...{ work: this.#work, settings, folder, allowNan: true },
      ...(signal && { signal }),
      ...(onEvaluating && { onProgress: onEvaluating }),
    })
    if (signal?.aborted) throw abortedError(signal)
    return {
      ...{ step, path, tasks: figuresOf(results), warnings: results.warnings ?? [] },
      seconds: (performance.now() - began) / 1000,
    }
  }
}

/** The card's tasks whose data lies in a folder. @throws DATA_NOT_FOUND where there are none */
async function tasksAtHand(dataDir: string): Promise<Task[]> {
  const found: Task[] = []
  for (const task of cardTasks) {
    const { folder, stems } = task.data
    const files = await findDataFiles(task.title, join(dataDir, folder), stems).catch((error: unknown) => {
      if (!(error instanceof MtLlamaError) || error.code !== 'DATA_NOT_FOUND') throw error
    })
    if (files) found.push(task)
  }
  if (found.length > 0) return found
  throw new MtLlamaError(
    'DATA_NOT_FOUND',
    `${dataDir}: has data of none of the model card's tasks, on which the model is to be evaluated; expected one of the folders ${cardTasks.map(({ data }) => data.folder).join(', ')}, or other tasks by name.`,
  )
}

/** The model under the name of its step: its weights are no longer those of the files that it was loaded from. */
function named(model: Scorer, path: string, fingerprint: string): Scorer {
  return {
    info: { ...model.info, path, fingerprint },
    tokenizer: model.tokenizer,
    scoreStream: (requests, options) => model.scoreStream(requests, options),
    generateEach: (prompts, options) => model.generateEach(prompts, options),
    perplexity: (text, options) => model.perplexity(text, options),
  }
}

/** Opens the folder of an evaluation, empty if it holds one of other weights or settings: the run that made it is no more. */
async function openFolder(path: string, settings: Settings): Promise<RunFolder> {
  const folder = await RunFolder.open(path)
  try {
    const there = await folder.results().catch(() => 'other' as const)
    if (there === undefined) return folder
    if (there !== 'other' && isDeepStrictEqual(there.settings, JSON.parse(JSON.stringify(settings))))
      return folder
  } catch (error) {
    await folder.close()
    throw error
  }
  await folder.close()
  await rm(path, { recursive: true })
  return RunFolder.open(path)
}

function figuresOf({ tasks }: RunResults): Record<string, EvaluatedTask> {
  return Object.fromEntries(
    Object.entries(tasks).map(([name, { title, samplesDone, headline, metrics }]) => {
      const shown = [...headline, auc].filter(metric => metrics[metric])
      return [
        name,
        { title, samplesDone, metrics: Object.fromEntries(shown.map(one => [one, metrics[one]!])) },
      ]
    }),
  )
}
