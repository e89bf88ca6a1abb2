// Data, task files and templates for small runs of every kind: own task files with a group, protocol t0, and the languages of
// protocol release. And a second model that differs from the embedded one, so that samples flip.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { defaultModel } from './tiny-model.ts'

const rows = ['ice', 'fire', 'snow', 'steam', 'frost', 'sun'].map((thing, i) => ({
  ...{ idx: i, thing, other: i % 3 === 0 ? 'warm' : 'damp', label: i % 2 },
  letters: [...'abcdefghijklm'],
}))
const copa = rows.map(({ idx, thing, other, label }) => ({
  ...{ idx, premise: `There was ${thing}.`, choice1: 'It was cold.', choice2: `It was ${other}.` },
  ...{ question: 'cause', label },
}))
const languages = ['en', 'de', 'es', 'fr', 'ja', 'ko', 'zh']

const head = (task: string) =>
  `task: ${task}\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\ntest_split: test\n`
const choice = (task: string, text: string) =>
  `${head(task)}output_type: multiple_choice\ndoc_to_text: "${text}"\ndoc_to_choice: "{{['cold', other]}}"\ndoc_to_target: label\n`
const taskFiles: Record<string, string> = {
  'cold.yaml': `${choice('cold', 'How is {{thing}}?')}task_alias: Cold things\n`,
  'touch.yaml': choice('touch', 'Touch {{thing}}. It is'),
  'answer.yaml':
    `${head('answer')}output_type: generate_until\ndoc_to_text: "{{thing}} is"\ndoc_to_target: letters\n` +
    'generation_kwargs: {until: ["\\n"], max_gen_toks: 6}\nfilter_list:\n' +
    '  - {name: as is v1.0, filter: [{function: take_first}]}\n' +
    '  - {name: letters, filter: [{function: regex, regex_pattern: "([a-z])"}, {function: take_first}]}\n' +
    'metric_list:\n  - {metric: exact_match, ignore_case: true}\n',
  'line.yaml': `${head('line')}output_type: loglikelihood\ndoc_to_text: "{{thing}} is"\ndoc_to_target: " {{other}}"\n`,
  'text.yaml': `${head('text')}output_type: loglikelihood_rolling\ndoc_to_text: ""\ndoc_to_target: "{{thing}} is {{other}}."\n`,
  'feel.yaml':
    'group: feel\ntask: [cold, touch]\naggregate_metric_list:\n  - {metric: acc, weight_by_size: true}\n  - {metric: acc_norm}\n',
}

const template = (id: string, name: string, jinja: string) =>
  `  ${id}: !Template\n    answer_choices: '{{ choice1 }} ||| {{ choice2 }}'\n    id: ${id}\n` +
  `    jinja: ${JSON.stringify(jinja)}\n    metadata: !TemplateMetadata\n      original_task: true\n    name: ${name}\n`
const templates =
  `templates:\n${template('a1', 'plain', '{{ premise }} Why? ||| {{ answer_choices[label] }}')}` +
  template('b2', 'options', '{{ premise }} {{ choice1 }} {{ choice2 }} ||| {{ answer_choices[label] }}') +
  template('c3', 'half', '{% if label == 0 %}{{ premise }} So ||| {{ answer_choices[label] }}{% endif %}')

export interface KindsOfRuns {
  /** Of COPA and PAWS-X, and of the task files. */
  dataDir: string
  templatesDir: string
  /** cold, touch, answer, line, text, and the group feel of the first two. */
  taskFiles: string[]
  /** A copy of the embedded model that takes for the least likely what that one takes for the likeliest. */
  contrary: string
}

/** Writes it all to a folder. */
export function kindsOfRuns(folder: string): KindsOfRuns {
  const put = (name: string, text: string) => {
    const file = join(folder, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    return file
  }
  const lines = (values: readonly object[]) => values.map(value => `${JSON.stringify(value)}\n`).join('')
  put('data/rows.jsonl', lines(rows))
  put('data/copa/validation.jsonl', lines(copa))
  for (const language of languages)
    put(
      `data/pawsx/${language}/test.jsonl`,
      lines(rows.map(({ thing, label }) => ({ sentence1: `${language} ice`, sentence2: thing, label }))),
    )
  put('templates/super_glue/copa/templates.yaml', templates)
  const contrary = join(folder, 'contrary')
  cpSync(defaultModel, contrary, { recursive: true })
  negateNorm(join(contrary, 'model.safetensors'))
  return {
    ...{ dataDir: join(folder, 'data'), templatesDir: join(folder, 'templates'), contrary },
    taskFiles: Object.entries(taskFiles).map(([name, text]) => put(`tasks/${name}`, text)),
  }
}

/** Turns the signs of the last norm's weights, and so of all logits. */
function negateNorm(file: string): void {
  const bytes = readFileSync(file)
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const { dtype, data_offsets } = JSON.parse(bytes.toString('utf8', 8, start))['model.norm.weight']
  const size = dtype === 'F32' ? 4 : 2
  for (let at = start + data_offsets[0] + size - 1; at < start + data_offsets[1]; at += size)
    bytes[at]! ^= 0x80
  writeFileSync(file, bytes)
}
