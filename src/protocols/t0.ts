// Protocol t0: rank classification over the P3 templates of a task, as T0 was evaluated (Sanh et al. 2021): every template
// asks about every item, and has a result of its own.
import { createHash } from 'node:crypto'
import { MtLlamaError, oneOf } from '../errors.ts'
import { loadTemplates } from '../prompts/load-templates.ts'
import type { PromptTemplate } from '../prompts/prompt-template.ts'
import { pythonRandom } from '../prompts/python-random.ts'
import type { Item, Task } from '../tasks/task.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { EncodedPrompt, Protocol, RankAsk, RankForm, Skipped } from './protocol.ts'
import { judgeRanking } from './ranking.ts'

/** The data sets of promptsource by the tasks whose fields they have. */
const dataSets: Readonly<Record<string, string>> = {
  sst2: 'glue/sst2',
  openbookqa: 'openbookqa/main',
  copa: 'super_glue/copa',
  winogrande: 'winogrande/winogrande_xl',
  wic: 'super_glue/wic',
  mnli: 'glue/mnli',
  mnli_mismatched: 'glue/mnli',
  rte: 'super_glue/rte',
}

/** The tasks of two classes, whose field `label` is 0 or 1: templates that spell these by two fixed choices have F1 too. */
const twoClasses: readonly string[] = ['sst2', 'wic', 'rte']

/** The tasks that the protocol has templates for, by name. */
export const t0Tasks: readonly string[] = Object.keys(dataSets)

/** Maximum tokens of an input without BOS; what follows is cut off. */
const maxInputTokens = 1024

/**
 * Loads the protocol with the templates of some tasks.
 * @param folder templates in promptsource's layout
 * @param named the names or ids of templates; by default all that ask for the original task and name answer choices
 * @throws INVALID_ARGUMENT, DATA_NOT_FOUND, PROMPT_TEMPLATE
 */
export async function loadT0(
  folder: string,
  tasks: readonly Task[],
  named: readonly string[] = [],
): Promise<Protocol> {
  const forms = new Map<string, RankForm>()
  const unknown = new Set(named)
  for (const { name } of tasks) {
    const dataSet = dataSets[name]
    if (dataSet === undefined) continue
    const all = await loadTemplates(folder, dataSet)
    const chosen = named.length > 0 ? all.filter(one => isNamed(one, named)) : all.filter(isOriginal)
    for (const one of chosen) for (const key of [one.name, one.id]) unknown.delete(key)
    if (named.length === 0 && chosen.length === 0)
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        `${dataSet} has no template of the original task with answer choices in ${folder}; name others.`,
      )
    for (const one of chosen)
      if (one.answerChoicesText === undefined)
        throw new MtLlamaError(
          'INVALID_ARGUMENT',
          `the template ${JSON.stringify(one.name)} (${one.where}) has no answer choices, among which protocol t0 ranks.`,
        )
    if (chosen.length > 0) forms.set(name, formOf(chosen, name))
  }
  if (unknown.size > 0)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `no task has a template ${oneOf([...unknown].map(name => JSON.stringify(name)))}; mt-llama templates lists them.`,
    )
  return { name: 't0', form: task => forms.get(task.name) }
}

function isOriginal({ metadata, answerChoicesText }: PromptTemplate): boolean {
  return metadata.originalTask && answerChoicesText !== undefined
}

function isNamed({ name, id }: PromptTemplate, named: readonly string[]): boolean {
  return named.includes(name) || named.includes(id)
}

function formOf(templates: readonly PromptTemplate[], task: string): RankForm {
  const hasF1 = twoClasses.includes(task)
  const withF1 = new Set(templates.filter(one => hasF1 && one.fixedAnswerChoices()?.length === 2))
  return {
    kind: 'rank',
    asks: (item, where = `item ${JSON.stringify(item.id)}`) =>
      templates.map(template => {
        const ask = askOf(template, item, where)
        const positive =
          ask.kind === 'rank' && withF1.has(template) ? positiveChoice(template, item, ask, where) : undefined
        return positive === undefined ? ask : { ...(ask as RankAsk), positive }
      }),
    judge: judgeRanking,
    metrics: ['acc', 'acc_norm', 'acc_bytes', 'acc_per_token', ...(withF1.size > 0 ? ['f1'] : [])],
    headline: ['acc_mean', 'acc_median', 'acc_min', 'acc_max'],
    ...(hasF1 && { aggregations: { f1: 'f1' } }),
    delimiter: ' ',
    encode: cutInput,
  }
}

/** The form that saved samples are judged by, which needs no templates. */
export function t0Judging(task: string): RankForm {
  return formOf([], task)
}

/** What a template asks about an item: T0's own evaluation takes an example where there are exactly an input and a target. */
function askOf(template: PromptTemplate, { id, fields }: Item, where: string): RankAsk | Skipped {
  const skipped = (reason: string): Skipped => ({ kind: 'skipped', id, template: template.name, reason })
  const [prompt, target, ...more] = template.apply(fields, { draw: drawOf(template, id), where })
  if (!prompt) return skipped('no input')
  if (!target) return skipped('no target')
  if (more.length > 0) return skipped('more parts than an input and a target')
  const choices = template.answerChoices(fields, { draw: drawOf(template, id), where }) ?? []
  const gold = choices.indexOf(target)
  if (gold < 0) return skipped('the target is none of the answer choices')
  return { kind: 'rank', id, template: template.name, prompt, choices, gold }
}

/**
 * Finds the choice that is right where the label is 1. Choices may come in any order, so the template is asked what it would
 * say to the other label.
 * @returns undefined where it has no other answer to that
 */
function positiveChoice(
  template: PromptTemplate,
  { id, fields }: Item,
  { choices, gold }: RankAsk,
  where: string,
): number | undefined {
  const { label } = fields as { label: number }
  const [, target = ''] = template.apply(
    { ...fields, label: 1 - label },
    { draw: drawOf(template, id), where },
  )
  const other = choices.indexOf(target)
  if (other < 0 || other === gold) return undefined
  return label === 1 ? gold : other
}

/** What a template draws for an item is the same in every run. */
function drawOf(template: PromptTemplate, id: string) {
  return pythonRandom(createHash('sha256').update(`${template.id}\n${id}`).digest().readUInt32BE())
}

/** Cuts an input that is too long on its right. */
function cutInput(prompt: string, tokenizer: Tokenizer): EncodedPrompt | undefined {
  const ids = tokenizer.encode(prompt)
  if (ids.length <= maxInputTokens) return undefined
  const { addBos, bosTokenId } = tokenizer
  return {
    ids: [...(addBos && bosTokenId !== undefined ? [bosTokenId] : []), ...ids.slice(0, maxInputTokens)],
    truncatedTokens: ids.length - maxInputTokens,
  }
}
