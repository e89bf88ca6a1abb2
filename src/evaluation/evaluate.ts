// The public way to evaluate: names of tasks and a folder of data in, samples and results out.
import { resolve } from 'node:path'
import {
  booleanOption,
  callbackOption,
  checkOptions,
  choiceOption,
  integerOption,
  optionNames,
  optionOf,
  signalOption,
  textsOption,
} from '../calls/options.ts'
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { checkPath } from '../files/path.ts'
import { chooseTasks, protocolNames } from '../protocols/choose.ts'
import type { OwnTask } from '../protocols/own/own.ts'
import type { ScoreCache } from '../scoring/cache.ts'
import { namedTasks, taskNames } from '../tasks/built-in/registry.ts'
import type { Task } from '../tasks/task.ts'
import type { TaskGroup } from '../tasks/yaml/load.ts'
import { checkPmi, prompted, promptingSettings } from './prompting.ts'
import type { RunResults, Settings } from './results.ts'
import { type EvaluateProgress, type KeptSamples, resultsOf, runWork, type TaskSample } from './run.ts'
import { RunFolder } from './run-folder.ts'
import type { Scorer } from './scorer.ts'
import { runSettings } from './settings.ts'
import { loadWork } from './work.ts'

export interface EvaluateOptions {
  /** Folder with one folder a task (docs/data.md). */
  dataDir: string
  /**
   * Names of tasks or of sets of several languages, and tasks of loadTasks() and defineTask(), each of which says itself how
   * it is put. @default the model card's eleven
   */
  tasks?: readonly (string | OwnTask)[]
  /** Groups of loadTasks(), whose means are taken. @default [] */
  groups?: readonly TaskGroup[]
  /** How prompts are put and answers judged: 'card', 'release' or 't0'. @default 'card' */
  protocol?: string
  /** promptsource's folder of templates, for protocol t0. */
  templatesDir?: string
  /** Names or ids of the templates, or one, that t0 asks by. @default all of the original task */
  template?: string | readonly string[]
  /**
   * Put the prompts of task files and defineTask() by the checkpoint's chat template, as lm-evaluation-harness's
   * apply_chat_template does: the description is the system's message. INVALID_ARGUMENT with other tasks. @default false
   */
  chatTemplate?: boolean
  /**
   * Make shots messages of their own there, and not a part of the user's one message.
   * @default chatTemplate, as lm-evaluation-harness 0.4.13 has it
   */
  fewshotAsMultiturn?: boolean
  /** Stands before the description of each task file, in plain prompts too. @default none */
  systemInstruction?: string
  /**
   * Score choices alone too, and give acc_mutual_info: accuracy by the difference (PMI). Choices that come again and again
   * are scored once. @default false
   */
  pmi?: boolean
  /** Items of each task, from the first. @default all */
  limit?: number
  /**
   * A folder to save in: results.json, table.md and samples/TASK.jsonl. Samples that it has with the same settings are not
   * run again. @default nothing is saved
   */
  out?: string
  /** Run tasks from their start that the folder has. @default false */
  redo?: boolean
  /** Count samples whose scores are NaN or infinite as wrong, instead of ending with SCORE_NOT_FINITE. @default false */
  allowNan?: boolean
  /** Scores of earlier runs, from Model.openScoreCache() of this model: choices that are known are not run again. @default none */
  scoreCache?: ScoreCache
  /**
   * Prompts longer than the context: 'error' ends the evaluation with CONTEXT_LENGTH, 'truncate-left' drops tokens at their
   * start; results count such samples. @default 'error'
   */
  tooLong?: 'error' | 'truncate-left'
  /** Rejects with ABORTED; what is done is saved. */
  signal?: AbortSignal
  onProgress?: (progress: EvaluateProgress) => void
  /** Called with the samples of earlier runs that are kept. */
  onKept?: (kept: KeptSamples) => void
}

const evaluateOptionNames = optionNames<EvaluateOptions>({
  dataDir: true,
  tasks: true,
  groups: true,
  protocol: true,
  templatesDir: true,
  template: true,
  pmi: true,
  chatTemplate: true,
  fewshotAsMultiturn: true,
  systemInstruction: true,
  limit: true,
  out: true,
  redo: true,
  allowNan: true,
  scoreCache: true,
  tooLong: true,
  signal: true,
  onProgress: true,
  onKept: true,
})

/**
 * Evaluates a model and resolves with the results: metrics with standard errors, counts and settings.
 * @throws INVALID_ARGUMENT, DATA_NOT_FOUND, DATA_INVALID (before anything is scored), OUTPUT, SCORE_NOT_FINITE, ABORTED, and
 *   what scoring throws; samples done before are saved
 */
export function evaluate(model: Scorer, options: EvaluateOptions): Promise<RunResults> {
  return resultsOf(evaluateStream(model, options))
}

/**
 * evaluate(), sample by sample in the order of the data, those of an earlier run into the same folder too. The generator's
 * return value is the results. A loop that is left ends the run; what is done is saved.
 */
export async function* evaluateStream(
  model: Scorer,
  options: EvaluateOptions,
): AsyncGenerator<TaskSample, RunResults, undefined> {
  const { builtIn, own, choice, out, prompting, settings: asked, ...rest } = readOptions(options)
  const { protocol: asTasksSay, tasks } = await chooseTasks(choice, builtIn, own)
  const { protocol, notes } = prompted(asTasksSay, prompting, model)
  const folder = out === undefined ? undefined : await RunFolder.open(out)
  try {
    const work = await loadWork(tasks, protocol, asked)
    checkPmi(work, prompting)
    const tokenNotes = (model.tokenizer && protocol.tokenNotes?.(model.tokenizer)) ?? []
    const settings = await runSettings(model, {
      ...asked,
      protocol: protocol.name,
      ...promptingSettings(prompting),
    })
    const promptNotes = notes()
    const results = yield* runWork(model, { ...rest, work, settings, tokenNotes, promptNotes, folder })
    if (rest.signal?.aborted)
      throw new MtLlamaError('ABORTED', 'the evaluation was aborted', { cause: rest.signal.reason })
    return results
  } finally {
    await folder?.close()
  }
}

function readOptions(options: EvaluateOptions) {
  checkOptions(options, evaluateOptionNames)
  const signal = signalOption(options)
  const onProgress = callbackOption<'onProgress', EvaluateProgress>(options, 'onProgress')
  const onKept = callbackOption<'onKept', KeptSamples>(options, 'onKept')
  const limit = optionOf(options, 'limit', undefined)
  const out = optionOf(options, 'out', undefined)
  const { scoreCache } = options
  const protocol = choiceOption(options, 'protocol', protocolNames, 'card')
  const templatesDir = optionOf(options, 'templatesDir', undefined)
  const template = optionOf(options, 'template', undefined)
  const chatTemplate = booleanOption(options, 'chatTemplate', false)
  const systemInstruction = optionOf(options, 'systemInstruction', undefined)
  const { builtIn, own } = readTasks(optionOf(options, 'tasks', undefined))
  return {
    ...{ builtIn, own },
    choice: {
      protocol,
      ...(templatesDir !== undefined && { templatesDir: checkPath('templatesDir', templatesDir) }),
      ...(template !== undefined && { template: textsOption(options, 'template') }),
    },
    prompting: {
      pmi: booleanOption(options, 'pmi', false),
      chatTemplate,
      fewshotAsMultiturn: booleanOption(options, 'fewshotAsMultiturn', chatTemplate),
      systemInstruction: systemInstruction === undefined ? undefined : textOption(systemInstruction),
    },
    groups: readGroups(optionOf(options, 'groups', undefined)),
    out: out === undefined ? undefined : checkPath('out', out),
    settings: {
      dataDir: resolve(checkPath('dataDir', options.dataDir)),
      limit: limit === undefined ? null : integerOption(options, 'limit', 1, Number.MAX_SAFE_INTEGER, 1),
      tooLong: choiceOption(options, 'tooLong', ['error', 'truncate-left'], 'error') as Settings['tooLong'],
    },
    redo: booleanOption(options, 'redo', false),
    allowNan: booleanOption(options, 'allowNan', false),
    ...(scoreCache && { scoreCache }),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
    ...(onKept && { onKept }),
  }
}

/** @returns undefined for the built-in tasks where the caller has named none */
function readTasks(asked: unknown): { builtIn: readonly Task[] | undefined; own: readonly OwnTask[] } {
  if (asked === undefined) return { builtIn: undefined, own: [] }
  if (!Array.isArray(asked) || asked.length === 0)
    throw new MtLlamaError('INVALID_ARGUMENT', `tasks is ${shown(asked)}; expected a list of names of tasks`)
  const own = asked.filter(isOwn)
  const twice = own.find(({ task }, i) => own.findIndex(other => other.task.name === task.name) !== i)
  if (twice) throw new MtLlamaError('INVALID_ARGUMENT', `tasks has two tasks of the name ${twice.task.name}`)
  const { tasks: builtIn, unknown } = namedTasks(asked.filter(one => !isOwn(one)))
  if (unknown.length > 0)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `tasks has ${shown(unknown[0])}; there are ${[...taskNames.ofOneLanguage, ...taskNames.ofSets].join(', ')}`,
    )
  return { builtIn, own }
}

function textOption(text: unknown): string {
  if (typeof text === 'string') return text
  throw new MtLlamaError('INVALID_ARGUMENT', `systemInstruction is ${shown(text)}; expected a text`)
}

function readGroups(groups: unknown): readonly TaskGroup[] {
  if (groups === undefined) return []
  if (Array.isArray(groups) && groups.every(group => isRecord(group) && Array.isArray(group.tasks)))
    return groups
  throw new MtLlamaError('INVALID_ARGUMENT', `groups is ${shown(groups)}; expected those of loadTasks()`)
}

function isOwn(value: unknown): value is OwnTask {
  return isRecord(value) && isRecord(value.task) && isRecord(value.form)
}
