// Reads the texts of the evaluation sets at hand, which training data must not have, and counts the rows that have them.
import { findDataFiles, readRows } from '../data/data-files.ts'
import type { Row } from '../data/row.ts'
import { MtLlamaError } from '../errors.ts'
import { abortedError } from '../native/job.ts'
import { builtInTasks } from '../tasks/built-in/registry.ts'
import { Contamination } from './contamination.ts'
import type { OpenSet } from './open-mixture.ts'
import { textsOf } from './row-texts.ts'

/**
 * Reads every set of the built-in tasks that lies in a folder of evaluation data (docs/data.md): all texts of its rows,
 * labelled or not.
 * @throws DATA_NOT_FOUND where the folder has none of them, DATA_INVALID
 */
export async function readEvalTexts(evalDir: string, signal?: AbortSignal): Promise<Contamination> {
  const found = new Contamination()
  for (const { name, title, data } of builtInTasks.values()) {
    const files = await findDataFiles(title, `${evalDir}/${data.folder}`, data.stems).catch(
      (error: unknown) => {
        if (error instanceof MtLlamaError && error.code === 'DATA_NOT_FOUND') return undefined
        throw error
      },
    )
    if (!files) continue
    await found.add(name, textsOfRows(files, data.keep, signal))
  }
  if (found.sets.length > 0) return found
  throw new MtLlamaError(
    'DATA_NOT_FOUND',
    `${evalDir}: has none of the evaluation sets, whose texts are to be kept out of training; expected the folder that eval --data-dir takes.`,
  )
}

async function* textsOfRows(
  files: readonly string[],
  keep: ((row: Row) => boolean) | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<string[]> {
  for await (const row of readRows(files)) {
    if (signal?.aborted) throw abortedError(signal)
    if (keep?.(row) ?? true) yield [...textsOf(valuesOf(row))]
  }
}

/** The rows of a training set that have texts of evaluation sets. */
export interface SetOverlap {
  set: string
  rows: number
  /** Rows with a text of any evaluation set. */
  overlapping: number
  /** By evaluation set, those without any left out: rows that have texts of it, and how many of its items these are of. */
  evaluationSets: readonly { name: string; rows: number; items: number; ofItems: number }[]
}

/** Reads all rows of a training set and counts those that have texts of evaluation sets. @throws DATA_INVALID, ABORTED */
export async function countOverlap(
  { set, files, table }: OpenSet,
  known: Contamination,
  signal?: AbortSignal,
): Promise<SetOverlap> {
  const counts = new Map(known.sets.map(one => [one, { rows: 0, items: new Set<number>() }]))
  let overlapping = 0
  for await (const row of readRows(files)) {
    if (signal?.aborted) throw abortedError(signal)
    const overlaps = known.find(valuesOf(row))
    if (overlaps.length === 0) continue
    overlapping++
    for (const { set, item } of overlaps) counts.get(set)!.items.add(item)
    for (const set of new Set(overlaps.map(one => one.set))) counts.get(set)!.rows++
  }
  const evaluationSets = Array.from(counts, ([{ name, items: ofItems }, { rows, items }]) => ({
    ...{ name, rows, items: items.size, ofItems },
  })).filter(({ rows }) => rows > 0)
  return { set: set.name, rows: table.rows, overlapping, evaluationSets }
}

function valuesOf(row: Row): unknown[] {
  return row.names().map(name => row.get(name))
}
