// Compares saved runs sample by sample: the first run with each of the others.
import { checkOptions, optionNames } from '../../calls/options.ts'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import type { Scores } from '../../metrics/aggregation.ts'
import { meanOf } from '../../metrics/mean.ts'
import { isProportion } from '../../metrics/wilson.ts'
import type { Gold } from '../../tasks/task.ts'
import { auc, isDefined, ofTwo } from '../choices.ts'
import { isNotFinite } from '../not-finite.ts'
import type { SampleRecord, Settings, TaskResult } from '../results.ts'
import { type Difference, differenceOf } from './difference.ts'
import { readRun, type SavedRun, type SavedTask } from './read-run.ts'
import { askedOf, pairedKeys } from './same-data.ts'

export interface CompareOptions {
  /** The tasks to compare, by name. @default all, which every run must have */
  tasks?: readonly string[]
}

const compareOptionNames = optionNames<CompareOptions>({ tasks: true })

export interface Comparison {
  /** The run that the others are compared with. */
  first: ComparedRun
  others: RunComparison[]
}

export interface ComparedRun {
  /** The folder. */
  path: string
  /** The model's path. */
  model: string
  settings: Settings
}

export interface RunComparison extends ComparedRun {
  /** By the task's name. */
  tasks: Record<string, TaskComparison>
}

export interface TaskComparison extends Pick<TaskResult, 'title' | 'decimals' | 'aggregations'> {
  /** The metrics that stand for the task, of those that samples have. */
  headline: readonly string[]
  /** Number of samples that both runs have, by id and template; all figures are of these. */
  pairs: number
  /** Number of samples that only the first run has, since the other was stopped or limited. */
  onlyFirst: number
  /** Number of samples that only the other run has. */
  onlyOther: number
  /**
   * By the metric's name: those that both runs have. Where items are asked about by several templates, a pair is an item with
   * its mean over the templates that both runs have: answers about one item do not vary independently.
   */
  metrics: Record<string, Difference>
  /** The headline metric that flips are told by: the first one of zeros and ones, else the first mean; null without one. */
  flipMetric: string | null
  /** The samples whose score in flipMetric differs, in the order of the first run. */
  flips: Flip[]
}

/** A sample that one run gets right and the other wrong, or with another score. */
export interface Flip {
  id: string
  template?: string
  before: FlipSide
  after: FlipSide
  gold?: Gold
}

export interface FlipSide {
  score: number
  /** Null where the model gave NaN. */
  prediction: SampleRecord['prediction']
}

/**
 * Compares runs that evaluations have saved, pairing samples by id and template. The first run is compared with each other
 * one; chance is judged for each metric by itself, so of many comparisons some 5 % are beyond it by chance alone.
 * @param runs the folders, two or more; nothing is written to them
 * @throws INVALID_ARGUMENT; DATA_NOT_FOUND where a folder holds no run or lacks a task; DATA_INVALID where ids repeat, or
 *   runs are of different data: names of data files, prompts, choices or gold answers differ
 */
export async function compare(runs: readonly string[], options: CompareOptions = {}): Promise<Comparison> {
  checkOptions(options, compareOptionNames)
  const { tasks: names } = options
  if (!Array.isArray(runs) || runs.length < 2)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `runs is ${shown(runs)}; expected the folders of two runs or more`,
    )
  if (names !== undefined && !(Array.isArray(names) && names.every(name => typeof name === 'string')))
    throw new MtLlamaError('INVALID_ARGUMENT', `tasks is ${shown(names)}; expected a list of names of tasks`)
  const first = await readRun(runs[0]!, names)
  const others: RunComparison[] = []
  for (const path of runs.slice(1)) {
    const other = await readRun(path, names)
    if (names === undefined) checkSameTasks(first, other)
    others.push(await compareRuns(first, other))
  }
  return { first: named(first), others }
}

/** @throws DATA_NOT_FOUND naming the tasks that one of them lacks */
function checkSameTasks(first: SavedRun, other: SavedRun): void {
  for (const [has, lacks] of [
    [first, other],
    [other, first],
  ] as const) {
    const missing = [...has.tasks.keys()].filter(name => !lacks.tasks.has(name))
    if (missing.length === 0) continue
    const shared = [...has.tasks.keys()].filter(name => lacks.tasks.has(name))
    throw new MtLlamaError(
      'DATA_NOT_FOUND',
      `${lacks.path} has no results of ${missing.join(', ')}, which ${has.path} has${shared.length > 0 ? `. To compare what both have, name the tasks: ${shared.join(',')}` : ''}.`,
    )
  }
}

/** Compares all tasks of the first run with those of another, which must have them. @throws DATA_INVALID */
export async function compareRuns(first: SavedRun, other: SavedRun): Promise<RunComparison> {
  const tasks: RunComparison['tasks'] = {}
  for (const [name, task] of first.tasks) tasks[name] = await compareTasks(task, other.tasks.get(name)!)
  return { ...named(other), tasks }
}

async function compareTasks(a: SavedTask, b: SavedTask): Promise<TaskComparison> {
  const { title, decimals } = a.result
  const pairs = pairedKeys(title, askedOf(a), askedOf(b)).map(
    key => [a.samples.get(key)!, b.samples.get(key)!] as const,
  )
  const hasTemplates = pairs.some(([{ template }]) => template !== undefined)
  const aggregations = a.result.aggregations ?? {}
  const names = Object.keys(pairs[0]![0].scores).filter(
    name =>
      // An item has no F1 of its own whose mean over the templates could be taken.
      !(hasTemplates && aggregations[name]) &&
      pairs.every(([one, other]) => Object.hasOwn(one.scores, name) && Object.hasOwn(other.scores, name)),
  )
  // A figure of templates, such as a median of their accuracies, is no score of a sample.
  const wanted = a.result.templates ? names : a.result.headline
  const missing = wanted.length === 0 ? 'that both have' : wanted.find(name => !names.includes(name))
  if (missing !== undefined)
    throw new MtLlamaError(
      'DATA_INVALID',
      `${title}: samples of ${a.file} or ${b.file} have no score ${missing}. eval --rescore judges saved samples again.`,
    )
  const headline = a.result.templates ? names.slice(0, 1) : a.result.headline
  const metrics: Record<string, Difference> = {}
  for (const name of names) {
    const [before, after] = [0, 1].map(side => {
      const records = pairs.map(pair => pair[side]!)
      return hasTemplates ? itemScores(records, name) : sampleScores(records, name)
    })
    metrics[name] = await differenceOf(before!, after!, aggregations[name])
  }
  const finite = pairs.filter(pair => !pair.some(isNotFinite))
  const [before, after] = [0, 1].map(side => ofTwo(finite.map(pair => pair[side]!)))
  if (before && after && isDefined(before) && !hasTemplates)
    metrics[auc] = await differenceOf(before, after, 'auc')
  const isWhole = (name: string) =>
    pairs.every(([one, other]) => isProportion([one.scores[name]!, other.scores[name]!]))
  const scored = headline.filter(name => !aggregations[name])
  const flipMetric = scored.find(isWhole) ?? scored[0] ?? null
  return {
    ...{ title, headline, decimals, pairs: pairs.length },
    ...(a.result.aggregations && { aggregations }),
    onlyFirst: a.samples.size - pairs.length,
    onlyOther: b.samples.size - pairs.length,
    ...{ metrics, flipMetric },
    flips: flipMetric === null ? [] : pairs.flatMap(([one, other]) => flip(flipMetric, one, other)),
  }
}

function sampleScores(records: readonly SampleRecord[], name: string): Scores {
  return {
    scores: records.map(({ scores }) => scores[name]!),
    partners: records.flatMap(({ pairedWith }) => pairedWith?.[name] ?? []),
  }
}

/** The mean of each item over its templates. */
function itemScores(records: readonly SampleRecord[], name: string): Scores {
  const items = new Map<string, number[]>()
  for (const { id, scores } of records) {
    const own = items.get(id)
    if (own) own.push(scores[name]!)
    else items.set(id, [scores[name]!])
  }
  return { scores: Array.from(items.values(), own => meanOf(own).mean), partners: [] }
}

function flip(metric: string, before: SampleRecord, after: SampleRecord): Flip[] {
  const side = ({ scores, prediction }: SampleRecord) => ({ score: scores[metric]!, prediction })
  if (before.scores[metric] === after.scores[metric]) return []
  const { id, template } = before
  return [
    {
      ...{ id, ...(template !== undefined && { template }) },
      ...{ before: side(before), after: side(after) },
      ...('gold' in before && { gold: before.gold }),
    },
  ]
}

function named({ path, results: { model, settings } }: SavedRun): ComparedRun {
  return { path, model: model.path, settings }
}
