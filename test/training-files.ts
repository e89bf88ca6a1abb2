// Makes a small folder of training data with templates, and opens mixtures of it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseYaml } from '../src/tasks/yaml/yaml-value.ts'
import type { Tokenizer } from '../src/tokenizer/tokenizer.ts'
import type { ExamplesOptions } from '../src/training/examples.ts'
import { readMixture } from '../src/training/mixture-file.ts'
import { type OpenMixture, openMixture } from '../src/training/open-mixture.ts'
import { byteJson, loadJson } from './tokenizer-files.ts'

/** A template by its name and text. */
export type Templates = Record<string, { jinja: string; original?: boolean }>

export function writeTemplates(folder: string, set: string, templates: Templates): void {
  const entries = Object.entries(templates).map(
    ([name, { jinja, original = false }], i) =>
      `  t${i}: !Template\n    id: t${i}\n    name: ${JSON.stringify(name)}\n    jinja: ${JSON.stringify(jinja)}\n` +
      `    metadata: !TemplateMetadata\n      original_task: ${original}\n`,
  )
  const file = join(folder, 'templates', set, 'templates.yaml')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `templates:\n${entries.join('')}`)
}

/** @param file inside the folder of data: 'trec/train.jsonl' */
export function writeRows(folder: string, file: string, rows: readonly object[]): void {
  const path = join(folder, 'data', file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, rows.map(row => `${JSON.stringify(row)}\n`).join(''))
}

/** @param yaml what the mixture's file says */
export function openYaml(folder: string, yaml: string, allowMissing = false): Promise<OpenMixture> {
  const mixture = readMixture(parseYaml(yaml, 'mixture.yaml', 'TRAINING'))
  const [dataRoot, templatesDir] = [join(folder, 'data'), join(folder, 'templates')]
  return openMixture(mixture, { dataRoot, templatesDir, allowMissing })
}

/** A tokenizer of bytes. */
export function byteTokenizer(): Promise<Tokenizer> {
  return loadJson(byteJson(), { bos_token: '<s>', eos_token: '</s>' })
}

export const exampleOptions: ExamplesOptions = {
  ...{ mask: 'answer', maxLength: 2048, eos: true, tooLong: 'cut' },
  ...{ seed: 1, validationShare: 0, contamination: undefined },
}
