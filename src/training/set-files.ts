// Finds where the rows of a training set lie: in a folder laid out like the hub's repositories, or like its converted tables.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { findDataFiles } from '../data/data-files.ts'
import { MtLlamaError } from '../errors.ts'
import type { TrainingSet } from './mixture.ts'

export interface SetFiles {
  folder: string
  /** The split that the files are of. */
  split: string
  files: readonly string[]
}

/** What a set is read from where nobody says which split, the first that is there. All but `train` are said in lists of sets. */
const splits = ['train', 'all', 'sample', 'validation', 'test']

/**
 * Finds the files of a set's split: SPLIT.jsonl or shards of Parquet in the folder or in `data` inside it, or
 * SPLIT/0000.parquet and so on, as in the hub's branch refs/convert/parquet.
 * @param root the folder that holds the sets' folders
 * @throws DATA_NOT_FOUND naming what was looked for
 */
export async function findSet(root: string, set: TrainingSet): Promise<SetFiles> {
  const wanted = set.split === undefined ? splits : [set.split]
  let first: unknown
  for (const folder of set.folders) {
    const path = join(root, folder)
    if ((await names(path)) === undefined) continue
    try {
      return await findSplit(set.name, path, wanted)
    } catch (error) {
      if (!(error instanceof MtLlamaError && error.code === 'DATA_NOT_FOUND')) throw error
      first ??= error
    }
  }
  if (first) throw first
  const hub = set.hub === undefined ? '' : `; ${set.hub} of the hub has it`
  throw new MtLlamaError(
    'DATA_NOT_FOUND',
    `${set.name}: ${root} has none of the folders ${set.folders.join(', ')}${hub}.`,
  )
}

async function findSplit(name: string, folder: string, wanted: readonly string[]): Promise<SetFiles> {
  for (const split of wanted) {
    const files = await convertedShards(join(folder, split))
    if (files.length > 0) return { folder, split, files }
  }
  const stemsOf = (split: string) => [split, `data/${split}`]
  const files = await findDataFiles(name, folder, wanted.flatMap(stemsOf))
  // After the stem comes a dot, or a shard's number.
  const isOf = (stem: string) => {
    const path = join(folder, stem)
    return files[0]!.startsWith(path) && /^[.-]/.test(files[0]!.slice(path.length))
  }
  return { folder, split: wanted.find(split => stemsOf(split).some(isOf))!, files }
}

/** 0000.parquet, 0001.parquet and so on. @throws DATA_NOT_FOUND where one between them is missing */
async function convertedShards(folder: string): Promise<string[]> {
  const shards = ((await names(folder)) ?? []).filter(name => /^\d{4}\.parquet$/.test(name)).sort()
  const gap = shards.findIndex((name, i) => Number.parseInt(name, 10) !== i)
  if (gap < 0) return shards.map(name => join(folder, name))
  const lacking = `${String(gap).padStart(4, '0')}.parquet`
  throw new MtLlamaError('DATA_NOT_FOUND', `${folder}: has ${shards.join(', ')}; ${lacking} is missing.`)
}

/** The names in a folder; undefined where there is none. */
function names(folder: string): Promise<string[] | undefined> {
  return readdir(folder).catch(() => undefined)
}
