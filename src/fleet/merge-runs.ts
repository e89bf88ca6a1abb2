// Joins the run folders of an evaluation's shards to the one that a single process would have written.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { MtLlamaError, message } from '../errors.ts'
import { countedResult } from '../evaluation/counted-result.ts'
import { hasScores } from '../evaluation/done-samples.ts'
import { groupResults } from '../evaluation/group-results.ts'
import { Journal, readJournal } from '../evaluation/journal.ts'
import { languageMeans } from '../evaluation/language-means.ts'
import { report } from '../evaluation/report.ts'
import type { RunResults, SampleRecord, Settings, TaskResult, WholeRun } from '../evaluation/results.ts'
import { inOrder, warn } from '../evaluation/run.ts'
import { differing, RunFolder, savedResults } from '../evaluation/run-folder.ts'
import { Tally } from '../evaluation/tally.ts'
import { numbersInWords, type Shard, shardBounds, shardName } from '../files/shard.ts'
import { runShards } from './run-shards.ts'

interface ShardRun {
  shard: Shard
  path: string
  results: RunResults
}

/**
 * Joins all shards of a folder, and removes what was begun and not finished.
 * @param out the run folder to write
 * @throws OUTPUT where shards are missing, which are named, or do not belong together; ABORTED
 */
export async function mergeRuns(
  folder: string,
  out: string,
  count: number,
  signal: AbortSignal,
): Promise<RunResults> {
  const runs = await readRuns(folder, count)
  const whole = checkTogether(folder, runs)
  const first = runs[0]!.results
  const settings = allShards(first.settings)
  await using merged = await RunFolder.open(out)
  const names = Object.keys(whole.samples)
  await merged.earlier(settings, new Set(names))
  const { model, node, platform, tokenNotes, promptNotes } = first
  const results: RunResults = {
    ...{ settings, model, node, platform, tasks: {}, languageMeans: {}, tokenNotes },
    ...(promptNotes && { promptNotes }),
  }
  for (const name of names) {
    if (signal.aborted) throw new MtLlamaError('ABORTED', 'stopped')
    results.tasks[name] = await mergeTask(name, whole.samples[name]!, runs, merged.journal(name))
  }
  results.tasks = inOrder(results.tasks)
  results.languageMeans = languageMeans(results.tasks)
  if (whole.groups.length > 0) results.groups = groupResults(whole.groups, results.tasks)
  warn(results)
  await merged.write(results, report(results, { card: false }))
  for (const { path, isPart } of await runShards(folder)) if (isPart) await rm(path, { recursive: true })
  return results
}

async function readRuns(folder: string, count: number): Promise<ShardRun[]> {
  const there = (await runShards(folder)).filter(({ isPart }) => !isPart)
  const runs: ShardRun[] = []
  const missing: number[] = []
  for (let index = 1; index <= count; index++) {
    const path = there.find(({ shard }) => shard.index === index)?.path
    const results = path === undefined ? undefined : await savedResults(path)
    if (results) runs.push({ shard: { index, count }, path: path!, results })
    else missing.push(index)
  }
  if (missing.length === 0) return runs
  throw new MtLlamaError(
    'OUTPUT',
    `${folder}: of ${count} shards these are missing or not complete: ${numbersInWords(missing)}. Run them (--shard ${missing[0]}/${count}), then merge again.`,
  )
}

/** @throws OUTPUT */
function checkTogether(folder: string, runs: readonly ShardRun[]): WholeRun {
  const [first, ...others] = runs as [ShardRun, ...ShardRun[]]
  const { whole } = first.results
  for (const { shard, results } of others) {
    const { index, count } = first.shard
    const differences = differing(allShards(results.settings), allShards(first.results.settings))
    if (differences.length > 0)
      throw new MtLlamaError(
        'OUTPUT',
        message`${folder}: ${shardName(shard)} has other settings than ${shardName({ index, count })}${differences}. Remove the one that is wrong, and run it again.`,
      )
    if (!isDeepStrictEqual(results.whole, whole))
      throw new MtLlamaError(
        'OUTPUT',
        `${folder}: ${shardName(shard)} is of other tasks or data than ${shardName({ index, count })}. Remove the one that is wrong, and run it again.`,
      )
  }
  if (whole) return whole
  throw new MtLlamaError('OUTPUT', `${folder}: ${shardName(first.shard)} is no shard of an evaluation.`)
}

/** The settings that all shards have. */
function allShards({ shard: _, ...settings }: Settings): Settings {
  return settings
}

/** Joins a task's journals, and counts what they come to. */
async function mergeTask(
  name: string,
  samplesTotal: number,
  runs: readonly ShardRun[],
  file: string,
): Promise<TaskResult> {
  const parts = runs.flatMap(({ results }) => results.tasks[name] ?? [])
  const { headline, aggregations, definition, questions, ...rest } = parts[0]!
  const tally = new Tally(aggregations)
  const journal = await Journal.replace(file)
  try {
    for (const run of runs)
      for (const record of await recordsOf(name, samplesTotal, run)) {
        tally.add(record)
        await journal.add(record)
      }
  } catch (error) {
    await journal.discard()
    throw error
  }
  await journal.close()
  const sum = (of: 'tokens' | 'seconds') => parts.reduce((sum, { timing }) => sum + timing[of], 0)
  return {
    ...(await countedResult(tally, {
      ...{ ...rest, headline, samplesTotal },
      ...(aggregations && { aggregations }),
    })),
    ...(definition !== undefined && { definition }),
    ...(questions !== undefined && { questions }),
    timing: { tokens: sum('tokens'), seconds: sum('seconds') },
  }
}

/** @throws OUTPUT where a shard's journal has not the samples that it should have */
async function recordsOf(
  name: string,
  samplesTotal: number,
  { shard, path, results }: ShardRun,
): Promise<SampleRecord[]> {
  const [start, end] = shardBounds(samplesTotal, shard)
  if (start === end) return []
  const file = join(path, 'samples', `${name}.jsonl`)
  const { records } = await readJournal(file)
  if (records.length === end - start && records.every(hasScores) && results.tasks[name]) return records
  throw new MtLlamaError(
    'OUTPUT',
    `${file}: ${records.length} samples; the shard has ${end - start}. Remove its folder, and run the shard again.`,
  )
}
