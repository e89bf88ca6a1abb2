// mt-llama templates: lists the prompt templates of a data set, and shows what one makes of a row.
import { extname } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { endings, readRows } from '../data/data-files.ts'
import type { Row } from '../data/row.ts'
import { MtLlamaError, oneOf } from '../errors.ts'
import { loadTemplates } from '../prompts/load-templates.ts'
import type { PromptTemplate } from '../prompts/prompt-template.ts'
import { pythonRandom } from '../prompts/python-random.ts'
import { type CommonOptions, folder, integer, newCommand } from './command.ts'
import { print, printJson } from './io.ts'

interface TemplatesOptions extends CommonOptions {
  templatesDir: string
  template?: string
  data?: string
  row: number
  seed: number
  /** False after --no-truncate. */
  truncate: boolean
}

export function templatesCommand(): Command {
  const command = newCommand(
    'templates',
    'List the prompt templates of a data set, or show what one makes of a row. The templates are those of promptsource (P3): ' +
      'a copy of github.com/bigscience-workshop/promptsource has them in promptsource/templates.',
    {
      json: 'print JSON',
      examples: [
        ['templates super_glue/copa --templates-dir ./promptsource/templates', 'names, ids and metadata'],
        [
          'templates super_glue copa --templates-dir ./templates --template best_option --data copa.jsonl --row 3',
          'input, target and answer choices of the third row',
        ],
      ],
    },
  )
  return command
    .argument('<dataset>', 'the data set, with its subset where it has some: trec, super_glue/copa')
    .argument('[subset]', 'the subset, where the data set is given without it')
    .requiredOption('--templates-dir <dir>', 'folder of DATASET/[SUBSET/]templates.yaml', folder)
    .option('--template <name>', 'the template to show, by name or id')
    .option(
      '--data <file>',
      'JSONL, JSON, TSV, CSV or Parquet with the fields that the template names',
      dataFile,
    )
    .option('--row <n>', 'which row of it, counted from 1', integer(1), 1)
    .option('--seed <n>', "of the random choices, as Python's random.seed()", integer(0), 0)
    .option('--no-truncate', 'print fields whole, where promptsource cuts them to 2048 characters')
    .action((dataset: string, subset: string | undefined, options: TemplatesOptions) =>
      run(subset === undefined ? dataset : `${dataset}/${subset}`, options),
    )
}

async function run(dataset: string, options: TemplatesOptions): Promise<void> {
  const templates = await loadTemplates(options.templatesDir, dataset)
  if (options.template === undefined) return list(dataset, templates, options)
  const template = find(dataset, templates, options.template)
  if (options.data === undefined) return describe(template, options)
  await show(template, await findRow(options.data, options.row), options)
}

async function list(
  dataset: string,
  templates: readonly PromptTemplate[],
  { json }: TemplatesOptions,
): Promise<void> {
  if (json) return printJson({ dataset, templates: templates.map(summary) })
  const width = Math.max(...templates.map(({ name }) => name.length), 0)
  for (const template of templates) {
    const { id, name, metadata } = template
    const notes = [
      ...(metadata.originalTask ? ['original task'] : []),
      ...metadata.metrics,
      choicesOf(template),
    ].join(', ')
    await print(`${name.padEnd(width)}  ${id}  ${notes}\n`)
  }
  const original = templates.filter(({ metadata }) => metadata.originalTask).length
  const count = `${templates.length} template${templates.length === 1 ? '' : 's'}`
  await print(`${dataset}: ${count}, ${original} of the original task\n`)
}

function choicesOf(template: PromptTemplate): string {
  if (template.answerChoicesText === undefined) return 'free answers'
  const fixed = template.fixedAnswerChoices()
  return fixed ? `choices ${fixed.join(' | ')}` : 'choices of each row'
}

function summary(template: PromptTemplate): object {
  const { id, name, metadata } = template
  return {
    ...{ id, name, ...metadata },
    answerChoices: template.answerChoicesText ?? null,
    fixedAnswerChoices: template.fixedAnswerChoices() ?? null,
  }
}

/** @throws INVALID_ARGUMENT naming those that there are */
function find(dataset: string, templates: readonly PromptTemplate[], wanted: string): PromptTemplate {
  const found = templates.find(({ name, id }) => name === wanted || id === wanted)
  if (found) return found
  const names = templates.map(({ name }) => JSON.stringify(name)).join(', ')
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    `${dataset} has no template ${JSON.stringify(wanted)}; expected ${names || 'none: the file holds no template'}.`,
  )
}

async function describe(template: PromptTemplate, { json }: TemplatesOptions): Promise<void> {
  const { jinja, reference } = template
  if (json) return printJson({ ...summary(template), jinja, reference })
  await printParts([
    ['template', jinja],
    ['answer choices', template.answerChoicesText],
    ['reference', reference || undefined],
  ])
}

/** @throws DATA_INVALID where the file has fewer rows */
async function findRow(file: string, wanted: number): Promise<Row> {
  let count = 0
  for await (const row of readRows([file])) if (++count === wanted) return row
  throw new MtLlamaError('DATA_INVALID', `${file}: has ${count} rows; there is no row ${wanted}.`)
}

async function show(
  template: PromptTemplate,
  row: Row,
  { json, seed, truncate }: TemplatesOptions,
): Promise<void> {
  const example = Object.fromEntries(row.names().map(name => [name, row.exact(name)]))
  const { where } = row
  const parts = template.apply(example, { truncate, draw: pythonRandom(seed), where })
  const choices = template.answerChoices(example, { draw: pythonRandom(seed), where })
  const [input, ...targets] = parts
  if (json) return printJson({ template: template.name, row: where, parts, answerChoices: choices ?? null })
  await printParts([
    ['input', input],
    ...targets.map((target): [string, string] => ['target', target]),
    ['answer choices', choices?.join('\n')],
  ])
  if (targets.length === 0) await print('no target: the template leaves this row out\n')
}

async function printParts(
  parts: readonly (readonly [title: string, text: string | undefined])[],
): Promise<void> {
  for (const [title, text] of parts) if (text !== undefined) await print(`--- ${title} ---\n${text}\n`)
}

function dataFile(text: string): string {
  if (endings.includes(extname(text))) return text
  throw new InvalidArgumentError(`Expected a file that ends in ${oneOf(endings)}.`)
}
