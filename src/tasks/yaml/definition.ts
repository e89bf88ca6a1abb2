// Reads the definition of a task from its file, in lm-evaluation-harness's format; what is unknown is refused.
import { builtInTasks } from '../built-in/registry.ts'
import { DocText } from './doc-text.ts'
import { checkKeys, checkNested, type TaskKey } from './keys.ts'
import type { YamlValue } from './yaml-value.ts'

export const outputTypes = [
  'multiple_choice',
  'generate_until',
  'loglikelihood',
  'loglikelihood_rolling',
] as const
export type OutputType = (typeof outputTypes)[number]

/** How a row is put into words. */
export interface DocTexts {
  text: DocText | undefined
  target: DocText | number | readonly string[]
  choice: DocText | readonly string[] | undefined
}

/** A value at some place, which its errors name. */
export type Placed = Pick<YamlValue, 'plain' | 'error'>

export interface MetricEntry {
  name: string
  /** The place of the entry, for messages. */
  value: Placed
  aggregation: Placed | undefined
  /** What the metric is told beside texts: 'ignore_case'. */
  flags: ReadonlyMap<string, Placed>
}

export interface FilterEntry {
  name: string
  steps: readonly { name: string; value: YamlValue; options: ReadonlyMap<string, YamlValue> }[]
}

export interface TaskDefinition {
  name: string
  title: string
  /** The task's key in its file. */
  value: YamlValue
  /** All that the file says, with what it includes. */
  source: Readonly<Record<string, unknown>>
  outputType: OutputType
  data: {
    /** 'json' or 'csv' beside files; else a folder. */
    path: YamlValue
    name: string | undefined
    files: ReadonlyMap<string, YamlValue> | undefined
  }
  splits: Record<'test' | 'validation' | 'training', YamlValue | undefined>
  docs: DocTexts
  description: DocText | undefined
  /** The beginning of the answer, which is given. */
  prefix: DocText | undefined
  targetDelimiter: string
  /** Stands between the instruction of a run and the description. */
  fewshotDelimiter: string
  fewShot: {
    count: number
    split: YamlValue | undefined
    sampler: 'default' | 'first_n'
    /** Rows that stand in the file itself. */
    samples: readonly Record<string, unknown>[] | undefined
    docs: DocTexts
    prefix: DocText | undefined
    targetDelimiter: string
    delimiter: string
  }
  generation: { stop: readonly string[]; maxTokens: number }
  /** undefined: those that the output type has by default. */
  metrics: readonly MetricEntry[] | undefined
  filters: readonly FilterEntry[] | undefined
  version: string | undefined
}

type Entries = ReadonlyMap<string, YamlValue>

/**
 * @param entries those of the file and of what it includes
 * @param root the place of a key that is missing
 * @throws TASK naming file and line
 */
export function readDefinition(entries: Entries, root: YamlValue): TaskDefinition {
  checkKeys(entries)
  const get = (key: TaskKey) => present(entries.get(key))
  const need = (key: TaskKey) => {
    const value = get(key)
    if (value) return value
    throw root.error(`no ${key}; a task needs it`)
  }
  const text = (key: TaskKey, fallback: string) => get(key)?.text(key) ?? fallback
  const outputType = oneOf(get('output_type'), 'output_type', outputTypes, 'generate_until')
  const task = need('task')
  const name = task.text('task')
  if (!/^[^\0/\\]+$/.test(name) || name.startsWith('.'))
    throw task.error('task is no name of a file; expected one as copa_plain')
  const fewshotDelimiter = text('fewshot_delimiter', '\n\n')
  const targetDelimiter = text('target_delimiter', ' ')
  const isRolling = outputType === 'loglikelihood_rolling'
  const docs: DocTexts = {
    text: isRolling
      ? docText(get('doc_to_text'), 'doc_to_text')
      : docText(need('doc_to_text'), 'doc_to_text'),
    target: readTarget(need('doc_to_target')),
    choice: readChoice(outputType === 'multiple_choice' ? need('doc_to_choice') : get('doc_to_choice')),
  }
  if (get('generation_kwargs') && outputType !== 'generate_until')
    throw get('generation_kwargs')!.error(`generation_kwargs mean nothing with output_type ${outputType}`)
  return {
    // Results are known by names: those of built-in tasks stay theirs.
    name: builtInTasks.has(name) ? `${name}.yaml` : name,
    ...{ title: text('task_alias', name), value: task, outputType },
    source: Object.fromEntries(Array.from(entries, ([key, value]) => [key, value.plain()])),
    data: readData(need('dataset_path'), get('dataset_name'), get('dataset_kwargs')),
    splits: {
      test: get('test_split'),
      validation: get('validation_split'),
      training: get('training_split'),
    },
    ...{ docs, targetDelimiter, fewshotDelimiter },
    description: docText(get('description'), 'description'),
    prefix: docText(get('gen_prefix'), 'gen_prefix'),
    fewShot: readFewShot(get, docs, targetDelimiter, fewshotDelimiter),
    generation: readGeneration(get('generation_kwargs'), fewshotDelimiter),
    metrics: get('metric_list')?.items().map(readMetric),
    filters: get('filter_list')?.items().map(readFilter),
    version: readVersion(get('metadata')),
  }
}

function present(value: YamlValue | undefined): YamlValue | undefined {
  return value?.isNull ? undefined : value
}

function oneOf<Name extends string>(
  value: YamlValue | undefined,
  key: string,
  names: readonly Name[],
  fallback: Name,
): Name {
  if (!value) return fallback
  const name = value.text(key) as Name
  if (names.includes(name)) return name
  throw value.error(`${key} ${JSON.stringify(name)} is not supported; there are ${names.join(', ')}`)
}

function docText(value: YamlValue | undefined, key: string): DocText | undefined {
  return value && new DocText(key, value)
}

function readTarget(value: YamlValue): DocTexts['target'] {
  if (value.isText) return new DocText('doc_to_target', value)
  return value.isList ? value.texts('doc_to_target') : value.integer('doc_to_target', 0)
}

function readChoice(value: YamlValue | undefined): DocTexts['choice'] {
  if (!value) return undefined
  if (value.isText) return new DocText('doc_to_choice', value)
  const items = value.isMapping ? [...value.entries('doc_to_choice').values()] : value.items()
  return items.map(item => item.text('a choice of doc_to_choice'))
}

function readData(
  path: YamlValue,
  name: YamlValue | undefined,
  options: YamlValue | undefined,
): TaskDefinition['data'] {
  const entries = options?.entries('dataset_kwargs') ?? new Map<string, YamlValue>()
  checkNested(entries, 'dataset_kwargs', ['data_files', 'trust_remote_code'])
  const trust = entries.get('trust_remote_code')
  if (trust?.boolean('trust_remote_code'))
    throw trust.error('trust_remote_code: code of data sets is not run')
  const given = present(entries.get('data_files'))
  // Hugging Face's datasets takes files without a split for the training set.
  const files = given && (given.isMapping ? given.entries('data_files') : new Map([['train', given]]))
  return { path, name: name?.text('dataset_name'), files }
}

function readFewShot(
  get: (key: TaskKey) => YamlValue | undefined,
  docs: DocTexts,
  targetDelimiter: string,
  delimiter: string,
): TaskDefinition['fewShot'] {
  const entries = get('fewshot_config')?.entries('fewshot_config') ?? new Map<string, YamlValue>()
  checkNested(entries, 'fewshot_config', [
    ...['sampler', 'split', 'samples', 'doc_to_text', 'doc_to_target', 'doc_to_choice'],
    ...['fewshot_delimiter', 'target_delimiter', 'gen_prefix'],
  ])
  const own = (key: string) => present(entries.get(key))
  const target = own('doc_to_target')
  return {
    count: get('num_fewshot')?.integer('num_fewshot', 0) ?? 0,
    split: own('split') ?? get('fewshot_split'),
    sampler: oneOf(own('sampler'), 'sampler', ['default', 'first_n'], 'default'),
    samples: own('samples')
      ?.items()
      .map(sample => Object.fromEntries([...sample.entries('a sample')].map(([k, v]) => [k, v.plain()]))),
    docs: {
      text: docText(own('doc_to_text'), 'doc_to_text') ?? docs.text,
      target: target ? readTarget(target) : docs.target,
      choice: readChoice(own('doc_to_choice')) ?? docs.choice,
    },
    prefix: docText(own('gen_prefix') ?? get('gen_prefix'), 'gen_prefix'),
    targetDelimiter: own('target_delimiter')?.text('target_delimiter') ?? targetDelimiter,
    delimiter: own('fewshot_delimiter')?.text('fewshot_delimiter') ?? delimiter,
  }
}

/** Defaults of lm-evaluation-harness: greedy, 256 tokens, up to what separates shots. */
function readGeneration(
  value: YamlValue | undefined,
  fewshotDelimiter: string,
): TaskDefinition['generation'] {
  const entries = value?.entries('generation_kwargs') ?? new Map<string, YamlValue>()
  checkNested(entries, 'generation_kwargs', ['until', 'max_gen_toks', 'do_sample', 'temperature'])
  const sampled = entries.get('do_sample')
  const heat = entries.get('temperature')
  const isSampled = sampled && !sampled.isNull && sampled.boolean('do_sample')
  if (isSampled && heat?.plain() !== 0)
    throw sampled.error('do_sample: true is not supported; answers are generated greedily')
  if (heat && !heat.isNull && heat.plain() !== 0 && !sampled)
    throw heat.error('a temperature above 0 is not supported; answers are generated greedily')
  return {
    stop: (present(entries.get('until'))?.texts('until') ?? [fewshotDelimiter]).filter(text => text !== ''),
    maxTokens: present(entries.get('max_gen_toks'))?.integer('max_gen_toks', 1) ?? 256,
  }
}

function readMetric(value: YamlValue): MetricEntry {
  const entries = new Map(value.entries('an entry of metric_list'))
  const metric = entries.get('metric')
  if (!metric) throw value.error('an entry of metric_list has no "metric"')
  const evaluate = entries.get('hf_evaluate')
  if (evaluate && !evaluate.isNull && evaluate.boolean('hf_evaluate'))
    throw evaluate.error('hf_evaluate: metrics of the library evaluate are Python code, which is not run')
  const aggregation = present(entries.get('aggregation'))
  for (const key of ['metric', 'aggregation', 'higher_is_better', 'hf_evaluate']) entries.delete(key)
  return { name: metric.text('metric'), value: metric, aggregation, flags: entries }
}

function readFilter(value: YamlValue): FilterEntry {
  const entries = value.entries('an entry of filter_list')
  checkNested(entries, 'an entry of filter_list', ['name', 'filter'])
  const [name, filter] = [entries.get('name'), entries.get('filter')]
  if (!name || !filter) throw value.error('an entry of filter_list needs "name" and "filter"')
  return {
    name: name.text('name'),
    steps: filter.items().map(step => {
      const options = new Map(step.entries('a step of a filter'))
      const called = options.get('function')
      if (!called) throw step.error('a step of a filter has no "function"')
      options.delete('function')
      return { name: called.text('function'), value: called, options }
    }),
  }
}

function readVersion(metadata: YamlValue | undefined): string | undefined {
  const version = metadata?.entries('metadata').get('version')?.plain()
  return version === undefined || version === null ? undefined : String(version)
}
