// The keys of task files: those that are read, those that change nothing here, and those that are refused with a reason.
import { ownField } from '../../data/fields.ts'
import type { YamlValue } from './yaml-value.ts'

const read = [
  ...['task', 'task_alias', 'dataset_path', 'dataset_name', 'dataset_kwargs', 'output_type', 'metadata'],
  ...['training_split', 'validation_split', 'test_split', 'fewshot_split', 'num_fewshot', 'fewshot_config'],
  ...['doc_to_text', 'doc_to_target', 'doc_to_choice', 'description', 'target_delimiter', 'gen_prefix'],
  ...['fewshot_delimiter', 'generation_kwargs', 'metric_list', 'filter_list'],
] as const

export type TaskKey = (typeof read)[number]

/** Keys of lm-evaluation-harness that decide nothing about a score. */
const idle = ['tag', 'should_decontaminate', 'doc_to_decontamination_query']

/** Keys that count where they have this value, which is the default, and are not supported otherwise. */
const fixed: Readonly<Record<string, unknown>> = { repeats: 1, unsafe_code: false }

const python = 'it names Python code, which is not run; define the task in TypeScript with defineTask()'
const refused: Readonly<Record<string, string>> = {
  process_docs: python,
  process_results: python,
  custom_dataset: python,
  class: python,
  use_prompt:
    'write the template as doc_to_text and doc_to_target; --protocol t0 reads templates of promptsource',
  doc_to_image: 'models read texts only',
  doc_to_audio: 'models read texts only',
}

/** @throws TASK naming file and line of a key that is not known or not supported */
export function checkKeys(entries: ReadonlyMap<string, YamlValue>): void {
  const known: readonly string[] = [...read, ...idle, ...Object.keys(fixed)]
  for (const [key, value] of entries) {
    if (known.includes(key)) {
      const only = ownField(fixed, key)
      if (only !== undefined && !value.isNull && value.plain() !== only)
        throw value.error(`${key} other than ${only} is not supported`)
      continue
    }
    const why = ownField(refused, key)
    if (why === undefined) throw value.error(`unknown key "${key}"; a task has ${read.join(', ')}`)
    if (!value.isNull) throw value.error(`${key} is not supported: ${why}`)
  }
}

/** Refuses the keys of a nested mapping that are not among these. @throws TASK */
export function checkNested(
  entries: ReadonlyMap<string, YamlValue>,
  name: string,
  known: readonly string[],
): void {
  for (const [key, value] of entries)
    if (!known.includes(key)) throw value.error(`unknown key "${key}" of ${name}; it has ${known.join(', ')}`)
}
