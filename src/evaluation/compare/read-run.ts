// Reads a run's folder to be compared: its results, and the samples of its tasks by id and template. Nothing is written.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MtLlamaError } from '../../errors.ts'
import { checkPath } from '../../files/path.ts'
import { hasScores } from '../done-samples.ts'
import { journalContent } from '../journal.ts'
import type { RunResults, SampleRecord, TaskResult } from '../results.ts'
import { parsedResults } from '../run-folder.ts'

/** A run as its folder has it. */
export interface SavedRun {
  path: string
  results: RunResults
  /** By the task's name, in the order of results.json. */
  tasks: ReadonlyMap<string, SavedTask>
}

export interface SavedTask {
  /** The file of samples. */
  file: string
  result: TaskResult
  /** By sampleKey(), in the order of the file. */
  samples: ReadonlyMap<string, SampleRecord>
}

/**
 * @param names the tasks to read; undefined reads all
 * @throws DATA_NOT_FOUND where there is no run, or it lacks a task; DATA_INVALID where results or samples cannot be used
 */
export async function readRun(path: string, names?: readonly string[]): Promise<SavedRun> {
  const file = join(checkPath('run', path), 'results.json')
  const results = parsedResults((await read(file, 'Name the --out folder of an evaluation')).toString())
  if (!results) throw new MtLlamaError('DATA_INVALID', `${file}: not results of an evaluation.`)
  const there = Object.keys(results.tasks)
  const missing = (names ?? []).filter(name => !there.includes(name))
  if (missing.length > 0)
    throw new MtLlamaError(
      'DATA_NOT_FOUND',
      `${path} has no results of ${missing.join(', ')}; it has ${there.join(', ') || 'none at all'}.`,
    )
  const tasks = new Map<string, SavedTask>()
  for (const name of names ?? there) {
    const samples = join(path, 'samples', `${name}.jsonl`)
    tasks.set(name, { file: samples, result: results.tasks[name]!, samples: await readSamples(samples) })
  }
  return { path, results, tasks }
}

async function readSamples(file: string): Promise<Map<string, SampleRecord>> {
  const content = await read(file, 'Samples are compared one by one, so results.json alone is not enough')
  const { records, isBroken } = journalContent(content)
  const wrong = (index: number, fault: string) =>
    new MtLlamaError('DATA_INVALID', `${file}, line ${index + 1}: ${fault}.`)
  if (isBroken) throw wrong(records.length, 'not a record of a sample, and other lines follow')
  const samples = new Map<string, SampleRecord>()
  const lines = new Map<string, number>()
  for (const [i, record] of records.entries()) {
    if (typeof record.id !== 'string' || !hasScores(record)) throw wrong(i, 'a record without id or scores')
    const key = sampleKey(record)
    const first = lines.get(key)
    if (first !== undefined)
      throw wrong(
        i,
        `${sampleWords(record)} is there twice, on line ${first + 1} too; samples are paired by their ids, which must differ`,
      )
    lines.set(key, i)
    samples.set(key, record)
  }
  return samples
}

async function read(file: string, advice: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' || code === 'ENOTDIR' ? 'no such file' : message
    throw new MtLlamaError('DATA_NOT_FOUND', `${file}: ${reason}. ${advice}.`, { cause: error })
  }
}

/** What a sample is paired by. */
export function sampleKey({ id, template }: Pick<SampleRecord, 'id' | 'template'>): string {
  return JSON.stringify([id, template ?? null])
}

/** 'sample "7", template "x"' */
export function sampleWords({ id, template }: Pick<SampleRecord, 'id' | 'template'>): string {
  return `sample ${JSON.stringify(id)}${template === undefined ? '' : `, template ${JSON.stringify(template)}`}`
}
