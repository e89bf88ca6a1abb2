// Writes the folder of a run whose samples are given, for tests of what reads such folders.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RankRecord, RunResults, TaskResult } from '../src/evaluation/results.ts'
import { settings } from './fake-model.ts'

/** A sample with two choices that is right or wrong. */
export function sample(id: string, acc: number, changes: Partial<RankRecord> = {}): RankRecord {
  return {
    ...{ kind: 'rank', id, prompt: `Which, ${id}?`, choices: ['this', 'that'], gold: 0 },
    ...{
      logLikelihoods: [acc - 1, -0.5],
      tokens: [1, 1],
      isGreedy: [false, false],
      prediction: 1 - acc,
      truncatedTokens: 0,
    },
    scores: { acc },
    ...changes,
  }
}

/** Samples with these scores, whose ids are their numbers. */
export function samplesOf(scores: readonly number[]): RankRecord[] {
  return scores.map((acc, i) => sample(`${i}`, acc))
}

/** @param tasks records by task; a text is written as it is */
export function writeRun(
  path: string,
  tasks: Record<string, readonly object[] | string>,
  changes: Partial<TaskResult> = {},
): string {
  mkdirSync(join(path, 'samples'), { recursive: true })
  const results: RunResults = {
    settings,
    model: { path: '/models/fake', fingerprint: 'f00d', dtype: 'float32', backend: 'fake', addBos: true },
    ...{ node: 'v20', platform: 'linux-x64', tasks: {}, languageMeans: {}, tokenNotes: [] },
  }
  for (const [name, records] of Object.entries(tasks)) {
    const text =
      typeof records === 'string' ? records : records.map(record => `${JSON.stringify(record)}\n`).join('')
    writeFileSync(join(path, 'samples', `${name}.jsonl`), text)
    results.tasks[name] = {
      ...{ title: name.toUpperCase(), headline: ['acc'], decimals: 1, status: 'complete' },
      ...{ files: [`${name}/validation.jsonl`], samplesTotal: records.length, samplesDone: records.length },
      metrics: { acc: { value: 0.5, standardError: 0.1, bootstrapError: 0.1, interval: null } },
      ...{ skipped: 0, ties: 0, failed: 0, truncated: 0, notFinite: 0, timing: { tokens: 1, seconds: 1 } },
      ...changes,
    }
  }
  writeFileSync(join(path, 'results.json'), JSON.stringify(results))
  return path
}
