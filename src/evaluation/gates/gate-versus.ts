// The gate that a run is not worse than a saved one beyond chance.
import { relative } from 'node:path'
import { MtLlamaError } from '../../errors.ts'
import type { Ask } from '../../protocols/protocol.ts'
import { compareRuns, type TaskComparison } from '../compare/compare.ts'
import { readRun, type SavedRun, sampleKey, sampleWords } from '../compare/read-run.ts'
import { askedOf, pairedKeys } from '../compare/same-data.ts'
import type { Work } from '../work.ts'
import type { GateOutcome } from './gate.ts'

/**
 * Reads the run to compare with, and holds its questions against those that are about to be asked.
 * @throws DATA_NOT_FOUND, DATA_INVALID as compare() does, before a model is loaded
 */
export async function readBase(path: string, work: readonly Work[], dataDir: string): Promise<SavedRun> {
  const base = await readRun(
    path,
    work.map(({ task }) => task.name),
  )
  for (const { task, files, asks } of work) {
    const here = {
      where: dataDir,
      files: files.map(name => relative(dataDir, name)),
      asks: byKey(task.title, asks),
    }
    pairedKeys(task.title, askedOf(base.tasks.get(task.name)!), here)
  }
  return base
}

function byKey(task: string, asks: readonly Ask[]): Map<string, Ask> {
  const map = new Map<string, Ask>()
  for (const ask of asks) {
    const key = sampleKey(ask)
    if (map.has(key))
      throw new MtLlamaError(
        'DATA_INVALID',
        `${task}: the data has ${sampleWords(ask)} twice; samples are paired by their ids, which must differ.`,
      )
    map.set(key, ask)
  }
  return map
}

/** An outcome for each headline metric of each task. @param folder the run's own, whose samples are saved */
export async function judgeVersus(base: SavedRun, folder: string): Promise<GateOutcome[]> {
  const { tasks } = await compareRuns(base, await readRun(folder, [...base.tasks.keys()]))
  return Object.entries(tasks).flatMap(([name, task]) =>
    task.headline.map(metric => outcome(`${name}.${metric} not worse than ${base.path}`, metric, task)),
  )
}

function outcome(gate: string, metric: string, { metrics }: TaskComparison): GateOutcome {
  const difference = metrics[metric]!
  const { pairs, before, after, interval, mcnemar, higher, lower } = difference
  const test =
    mcnemar === null
      ? interval && `95 % of the difference from ${interval.low} to ${interval.high}`
      : `${higher} up, ${lower} down, McNemar's p ${mcnemar}`
  const found = [`${after} against ${before} there`, `${pairs} pairs`, test].filter(Boolean).join(', ')
  return { gate, passed: !difference.isWorse, found }
}
