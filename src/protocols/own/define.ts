// Tasks that a program defines: what task files say in YAML and Jinja, in TypeScript.
import { createHash } from 'node:crypto'
import { extname, resolve } from 'node:path'
import { endings } from '../../data/data-files.ts'
import type { Row } from '../../data/row.ts'
import { shown } from '../../data/shown.ts'
import { MtLlamaError, oneOf } from '../../errors.ts'
import { checkPath } from '../../files/path.ts'
import { builtInTasks } from '../../tasks/built-in/registry.ts'
import type { AnyTask } from '../../tasks/task.ts'
import type { MetricEntry, OutputType } from '../../tasks/yaml/definition.ts'
import type { Target } from '../../tasks/yaml/doc.ts'
import { type DocFields, goldsOf } from '../../tasks/yaml/task.ts'
import type { Form, GenerateForm } from '../protocol.ts'
import { formOf, type Wording } from './form.ts'
import type { OwnTask } from './own.ts'

/** A metric by its name, or with flags as a task file sets them: { name: 'exact_match', ignore_case: true }. */
export type TaskMetric = string | { name: string; [flag: string]: unknown }

/** Fields of a row, as the data file has them: nothing checks that they are what R says. */
interface Common<R> {
  /** The task's name in results; also that of a file. */
  name: string
  /** The head of its column in tables. @default the name */
  title?: string
  /** Files of rows, read in order: .jsonl, .json, .csv, .tsv or .parquet. */
  files: string | readonly string[]
  /** Results of another version are not gone on with. @default '' */
  version?: string
  /** @default those that lm-evaluation-harness has for the kind: acc and acc_norm, exact_match, perplexity and acc, or the three of rolling */
  metrics?: readonly TaskMetric[]
  /** The text before the answer; not for texts that are scored as a whole. */
  prompt?: (row: R, index: number) => string
}

/** The likeliest of some choices is the answer. Metrics: acc, acc_norm, acc_bytes, exact_match, f1 of two classes. */
export interface ChoiceQuestions<R> extends Common<R> {
  kind: 'choice'
  prompt: (row: R, index: number) => string
  choices: (row: R) => readonly string[]
  /** Index or text of the right choice, or several of them. */
  gold: (row: R) => Target
  /** Stands between prompt and choice. @default ' ' */
  delimiter?: string
}

/** The answer is generated greedily. Metrics: exact_match, and those of registerMetric(). */
export interface GenerationQuestions<R> extends Common<R> {
  kind: 'generate'
  prompt: (row: R, index: number) => string
  /** The right answer, or several of which any is right. */
  gold: (row: R) => string | readonly string[]
  /** Texts that end an answer. @default ['\n\n'] */
  stop?: readonly string[]
  /** @default 256 */
  maxTokens?: number
  /** Takes the answer out of the text; null where there is none, which counts as ''. @default the text as it came */
  extract?: (text: string) => string | null
}

/** How likely is a text after the prompt? Metrics: perplexity, acc (whether greedy decoding gives it). */
export interface ContinuationQuestions<R> extends Common<R> {
  kind: 'continuation'
  prompt: (row: R, index: number) => string
  continuation: (row: R) => string
}

/** How likely is a text by itself? Metrics: word_perplexity, byte_perplexity, bits_per_byte. */
export interface RollingQuestions<R> extends Common<R> {
  kind: 'rolling'
  text: (row: R) => string
}

export type TaskOptions<R> =
  | ChoiceQuestions<R>
  | GenerationQuestions<R>
  | ContinuationQuestions<R>
  | RollingQuestions<R>

const outputTypes: Readonly<Record<TaskOptions<never>['kind'], OutputType>> = {
  choice: 'multiple_choice',
  generate: 'generate_until',
  continuation: 'loglikelihood',
  rolling: 'loglikelihood_rolling',
}

/**
 * Defines a task, which evaluate() takes beside names of built-in ones. Its functions must depend on their arguments alone:
 * a run that goes on asks again. `extract` and metrics are called again where saved samples are judged anew.
 * @throws INVALID_ARGUMENT for a name that is taken, an unknown kind, metric or flag, or a file with another ending
 */
export function defineTask<R extends object = Record<string, unknown>>(options: TaskOptions<R>): OwnTask {
  const { name, title = name, version = '' } = options
  const outputType = Object.hasOwn(outputTypes, options.kind) ? outputTypes[options.kind] : undefined
  if (!outputType)
    throw invalid(`kind is ${shown(options.kind)}; expected one of ${Object.keys(outputTypes).join(', ')}`)
  if (typeof name !== 'string' || !/^[^\0/\\.][^\0/\\]*$/.test(name))
    throw invalid(`name is ${shown(name)}; expected the name of a file`)
  if (builtInTasks.has(name)) throw invalid(`there is a built-in task ${name}; choose another name`)
  const files = [options.files].flat().map(file => readFile(name, file))
  const call = <T>(row: Row, what: string, run: (fields: R) => T): T => {
    const fields = Object.fromEntries(row.names().map(field => [field, row.get(field)])) as R
    try {
      return run(fields)
    } catch (error) {
      throw new MtLlamaError(
        'TASK',
        `${row.where}: ${what}() of task ${name} threw: ${(error as Error).message}`,
        {
          cause: error,
        },
      )
    }
  }
  const wrongTarget: Wording['wrongTarget'] = (row, target, expected) =>
    new MtLlamaError('TASK', `${row.where}: task ${name} gives ${shown(target)}; expected ${expected}.`)
  const text = (row: Row, what: string, run: (fields: R) => string): string => {
    const value = call(row, what, run)
    if (typeof value === 'string') return value
    throw new MtLlamaError(
      'TASK',
      `${row.where}: ${what}() of task ${name} gives ${shown(value)}; expected a text.`,
    )
  }
  const form = formOf(
    {
      outputType,
      metrics: options.metrics?.map(readMetric),
      targetDelimiter: options.kind === 'choice' ? (options.delimiter ?? ' ') : '',
      generation: {
        stop: (options.kind === 'generate' && options.stop) || ['\n\n'],
        maxTokens: (options.kind === 'generate' && options.maxTokens) || 256,
      },
      ...{ pipelines: undefined, prefix: '' },
    },
    {
      turns(row, index, instruction) {
        const system = { role: 'system' as const, content: instruction, delimiter: '' }
        const content = text(row, 'prompt', fields => options.prompt?.(fields, index) ?? '')
        return [...(instruction === '' ? [] : [system]), { role: 'user', content, delimiter: '' }]
      },
      wrongTarget,
    },
  )
  const task: AnyTask = {
    ...{ name, title, data: { files } },
    definition: hash([version, options.kind, options.metrics]),
    questions: hash([version, options.kind]),
    item(row, index) {
      const choices =
        options.kind === 'choice' ? readChoices(row, call(row, 'choices', options.choices)) : undefined
      const target = targetOf(row)
      const golds = goldsOf(outputType, target, choices, expected => wrongTarget(row, target, expected))
      const fields = { row, index, choices, golds } satisfies DocFields
      const gold = typeof golds[0] === 'number' ? golds[0] : (golds as readonly string[])
      return { id: String(index), fields, gold }
    },
  }
  const targetOf = (row: Row): Target => {
    if (options.kind === 'rolling') return text(row, 'text', options.text)
    if (options.kind === 'continuation') return text(row, 'continuation', options.continuation)
    return call<Target>(row, 'gold', options.gold)
  }
  const readChoices = (row: Row, choices: readonly string[]) => {
    if (
      Array.isArray(choices) &&
      choices.length > 0 &&
      choices.every(one => typeof one === 'string' && one !== '')
    )
      return choices
    throw wrongTarget(row, choices, 'choices: a list of texts, none empty')
  }
  return {
    task,
    form: options.kind === 'generate' && options.extract ? extracting(form, options.extract) : form,
  }
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}

/** The form with answers taken out of texts by a function of the program. */
function extracting(form: Form, extract: (text: string) => string | null): Form {
  if (form.kind !== 'generate') return form
  const judge: GenerateForm['judge'] = (ask, { generated }) => {
    const found = extract(generated)
    const outcome = form.judge(ask, { generated: found ?? '' })
    return found === null ? { ...outcome, failed: true } : outcome
  }
  const { inConversation } = form
  return {
    ...form,
    judge,
    ...(inConversation && {
      inConversation: conversation => extracting(inConversation(conversation), extract),
    }),
  }
}

function readFile(task: string, file: string): string {
  const path = resolve(checkPath('files', file))
  if (endings.includes(extname(path))) return path
  throw invalid(
    `task ${task}: ${shown(file)} is no file of rows; expected one that ends in ${oneOf(endings)}`,
  )
}

function readMetric(metric: TaskMetric): MetricEntry {
  const { name, ...flags } = typeof metric === 'string' ? { name: metric } : metric
  const placed = (value: unknown) => ({ plain: () => value, error: invalid })
  return {
    name,
    value: placed(name),
    aggregation: undefined,
    flags: new Map(Object.entries(flags).map(([flag, value]) => [flag, placed(value)])),
  }
}

function invalid(message: string): MtLlamaError {
  return new MtLlamaError('INVALID_ARGUMENT', message)
}
