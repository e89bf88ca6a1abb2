// mt-llama tasks: lists the tasks there are, and checks files that define others.
import { resolve } from 'node:path'
import { Argument, type Command } from 'commander'
import { MtLlamaError } from '../errors.ts'
import { loadWork, type Work } from '../evaluation/work.ts'
import { card } from '../protocols/card.ts'
import { loadOwnTasks, withOwnTasks } from '../protocols/own/own.ts'
import type { Ask, Form } from '../protocols/protocol.ts'
import { protocols } from '../protocols/registry.ts'
import { builtInTasks } from '../tasks/built-in/registry.ts'
import { loadTaskFiles } from '../tasks/yaml/load.ts'
import { type CommonOptions, folder, integer, newCommand } from './command.ts'
import { print, printJson } from './io.ts'

interface TasksOptions extends CommonOptions {
  dataRoot: string
  row: number
}

export function tasksCommand(): Command {
  const command = newCommand(
    'tasks',
    'List all tasks, with those of files in the format of lm-evaluation-harness (docs/tasks.md), or check such files and show one example.',
    {
      json: 'print JSON',
      examples: [
        ['tasks', 'the built-in tasks'],
        ['tasks list mine.yaml', 'the built-in tasks and those of a file'],
        ['tasks validate mine.yaml --data-root ./data', 'what the first row of its data becomes'],
      ],
    },
  )
  return command
    .addArgument(new Argument('[action]', 'list or validate').choices(['list', 'validate']).default('list'))
    .argument('[files...]', 'task files (.yaml)')
    .option('--data-root <dir>', 'folder that paths of data in task files are relative to', folder, '.')
    .option('--row <n>', 'which row to show, counted from 1', integer(1), 1)
    .action((action: string, files: string[], options: TasksOptions) =>
      action === 'list' ? list(files, options) : validate(files, options),
    )
}

interface Listed {
  name: string
  title: string
  /** The file that defines it, or where the built-in ones come from. */
  from: string
  asks: string
}

async function list(files: readonly string[], { json }: TasksOptions): Promise<void> {
  const { definitions, groups } = await loadTaskFiles(files)
  const rows: Listed[] = [
    ...Array.from(builtInTasks.values(), task => ({
      ...{ name: task.name, title: task.title, from: 'built in' },
      asks: [...protocols.values()]
        .filter(protocol => protocol.form(task))
        .map(({ name }) => name)
        .join(', '),
    })),
    ...definitions.map(({ name, title, value, outputType }) => ({
      ...{ name, title, from: value.where, asks: outputType },
    })),
    ...groups.map(({ name, title, tasks }) => ({
      ...{ name, title, from: `group of ${tasks.join(', ')}`, asks: '' },
    })),
  ]
  if (json) return printJson(rows)
  const width = (column: keyof Listed) => Math.max(...rows.map(row => row[column].length))
  const widths = { name: width('name'), asks: width('asks') }
  for (const { name, asks, title, from } of rows)
    await print(`${name.padEnd(widths.name)}  ${asks.padEnd(widths.asks)}  ${title} (${from})\n`)
}

async function validate(files: readonly string[], options: TasksOptions): Promise<void> {
  if (files.length === 0)
    throw new MtLlamaError('INVALID_ARGUMENT', 'tasks validate needs the name of a task file.')
  const dataRoot = resolve(options.dataRoot)
  const { tasks, groups } = await loadOwnTasks(files, dataRoot)
  const work = await loadWork(
    tasks.map(({ task }) => task),
    withOwnTasks(card, tasks),
    { dataDir: dataRoot, limit: null },
  )
  const examples = work.map(one => exampleOf(one, options.row))
  if (options.json) return printJson({ tasks: examples, groups })
  for (const { task, items, skipped, ask, form } of examples) {
    const counted = `${items} items${skipped > 0 ? `, ${skipped} of them not asked about` : ''}`
    await print(`${task}: ${counted}; metrics ${form.metrics.join(', ')}\n`)
    for (const [head, text] of partsOf(ask, form)) await print(`--- ${head} ---\n${text}\n`)
  }
  for (const { name, tasks: names } of groups) await print(`group ${name}: ${names.join(', ')}\n`)
}

interface Example {
  task: string
  items: number
  skipped: number
  ask: Ask
  form: Form
}

/** @throws DATA_INVALID where there are fewer rows */
function exampleOf({ task, form, asks, skipped }: Work, row: number): Example {
  const ask = asks[row - 1]
  const items = asks.length + skipped.length
  if (ask) return { ...{ task: task.name, items, skipped: skipped.length }, ask, form }
  throw new MtLlamaError('DATA_INVALID', `${task.name}: has ${asks.length} samples; there is no row ${row}.`)
}

function partsOf(ask: Ask, form: Form): [head: string, text: string][] {
  if (ask.kind === 'roll') return [['text', ask.prompt]]
  if (ask.kind === 'generate' || form.kind !== 'rank')
    return [
      ['prompt', ask.prompt],
      ['target', [ask.gold].flat().join('\n')],
    ]
  const { choices, asPrompts, golds = [ask.gold] } = ask
  const quoted = (texts: readonly string[]) => texts.map(text => JSON.stringify(text)).join('\n')
  const asked: [head: string, text: string][] = asPrompts
    ? [
        ['prompts, one for each choice', quoted(asPrompts.prompts)],
        ['what follows each', quoted([form.delimiter + asPrompts.continuation])],
      ]
    : [
        ['prompt', ask.prompt],
        ['choices, as they follow it', quoted(choices.map(choice => form.delimiter + choice))],
      ]
  return [...asked, ['target', golds.map(gold => `${gold}: ${choices[gold]}`).join('\n')]]
}
