// Makes folders of saved runs for the tests of the report, without a model.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A text that would run, or end its element, wherever it became markup. */
export const hostile = `</script><img src=x onerror="document.title='taken'"><!--<script>&amp;'"\u2028\u2029`

export interface RunSpec {
  dir: string
  protocol?: string
  /** By the task's name. */
  tasks: Record<string, object[]>
  /** Fields of each task's result, by its name. */
  results?: Record<string, object>
}

/** Writes results.json and samples as an evaluation does. */
export function writeRun({ dir, protocol = 'card', tasks, results = {} }: RunSpec): string {
  mkdirSync(join(dir, 'samples'), { recursive: true })
  for (const [name, records] of Object.entries(tasks))
    writeFileSync(
      join(dir, 'samples', `${name}.jsonl`),
      records.map(record => `${JSON.stringify(record)}\n`).join(''),
    )
  const all = Object.entries(tasks).map(([name, records]) => [
    name,
    { ...taskResult(name, records), ...results[name] },
  ])
  const settings = {
    ...{ version: '0.1.0', protocol, modelFingerprint: 'abc', dtype: 'float32', backend: 'cpu avx2' },
    ...{ addBos: true, tooLong: 'error', dataDir: '/data', limit: null },
  }
  writeFileSync(
    join(dir, 'results.json'),
    JSON.stringify({
      ...{ settings, model: { path: '/models/tiny' }, node: 'v20', platform: 'linux-x64' },
      ...{ tasks: Object.fromEntries(all), languageMeans: {}, tokenNotes: [] },
    }),
  )
  return dir
}

/** What a record keeps of its choices' tokens: a token of each shade, and texts that do not show by themselves. */
export const tokens = {
  tokenTexts: [
    [' yes', '', 'é'],
    ['\n', '\t', 'لا'],
  ],
  tokenLogProbs: [
    [-0.001, -1.5, -3],
    [-5.25, -11.125, null],
  ],
}

/** A record of a choice between two. @param isRight whether the model takes the right one */
export function ranked(id: string, isRight: boolean, fields: object = {}): object {
  return {
    ...{ kind: 'rank', id, prompt: `Question ${id}?`, choices: ['yes', 'no'], gold: 0 },
    ...{ logLikelihoods: isRight ? [-1, -3] : [-3, -1], tokens: [1, 2], prediction: isRight ? 0 : 1 },
    ...{ scores: { acc: isRight ? 1 : 0 }, truncatedTokens: 0, ...fields },
  }
}

function taskResult(name: string, records: readonly object[]): object {
  const scores = records.map(record => (record as { scores: { acc: number } }).scores.acc)
  const value = scores.reduce((sum, one) => sum + one, 0) / scores.length
  const figure = {
    ...{ value, standardError: 0.125, bootstrapError: 0.124 },
    interval: { low: Math.max(value - 0.25, 0), high: Math.min(value + 0.25, 1), method: 'wilson' },
  }
  return {
    ...{ title: name.toUpperCase(), headline: ['acc'], decimals: 1, status: 'complete', files: ['x.jsonl'] },
    ...{ samplesTotal: records.length, samplesDone: records.length, metrics: { acc: figure } },
    ...{ skipped: 0, ties: 0, failed: 0, truncated: 0, notFinite: 0, timing: { tokens: 1, seconds: 1 } },
  }
}
