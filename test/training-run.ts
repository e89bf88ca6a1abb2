// A small training run for tests: the embedded model of random weights on a few rows.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TrainConfig } from '../src/index.ts'
import { jsonLines } from './cli-run.ts'
import { defaultModel } from './tiny-model.ts'
import { writeRows, writeTemplates } from './training-files.ts'

/** Writes data, templates and a mixture of two tasks into a folder, and gives a configuration over them. */
export function trainingRun(folder: string, changes: Partial<TrainConfig> = {}): TrainConfig {
  writeTemplates(folder, 'own', {
    ask: { jinja: 'Which letter follows {{ letter }}? ||| {{ next }}' },
    say: { jinja: '{{ letter }} comes before ||| {{ next }}' },
  })
  const letters = Array.from('abcdefghijklmnopqrstuvwxy')
  const next = (letter: string) => String.fromCharCode(letter.charCodeAt(0) + 1)
  writeRows(
    folder,
    'own/train.jsonl',
    letters.map(letter => ({ letter, next: next(letter) })),
  )
  writeFileSync(join(folder, 'mixture.yaml'), 'sets: [own]\n')
  return {
    ...{ model: defaultModel, mixture: join(folder, 'mixture.yaml'), dataRoot: join(folder, 'data') },
    ...{ templatesDir: join(folder, 'templates'), evalDir: null, out: join(folder, 'out') },
    ...{ steps: 6, batch: 5, maxLength: 64, packTokens: 64, learningRate: 1e-2, threads: 1 },
    ...changes,
  }
}

/** All files of a checkpoint by their names, but for the settings of its run, which name the out folder. */
export function bytesOf(checkpoint: string): Record<string, Buffer> {
  const files = readdirSync(checkpoint, { recursive: true, withFileTypes: true }).filter(entry =>
    entry.isFile(),
  )
  return Object.fromEntries(
    files.map(({ name, parentPath }) => {
      const content = readFileSync(join(parentPath, name))
      const kept =
        name === 'state.json' ? JSON.stringify({ ...JSON.parse(content.toString()), settings: 0 }) : content
      return [name, Buffer.from(kept)]
    }),
  )
}

export function sameBytes(own: Record<string, Buffer>, want: Record<string, Buffer>) {
  assert.deepEqual(Object.keys(own).sort(), Object.keys(want).sort())
  for (const [name, bytes] of Object.entries(want)) assert.ok(bytes.equals(own[name]!), name)
}

/** The lines of a run's log. */
export const logOf = (out: string) => jsonLines(readFileSync(join(out, 'log.jsonl'), 'utf8'))

/** What the log says of steps, without their times. */
export const figuresOf = (out: string) =>
  logOf(out)
    .filter(line => line.loss !== undefined)
    .map(({ seconds, ...figures }) => figures)
