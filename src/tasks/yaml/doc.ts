// Puts rows into words as a task file says: the question, the choices, the target, and the shots before them.
import type { Row } from '../../data/row.ts'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import type { DocTexts, TaskDefinition } from './definition.ts'
import type { DocText } from './doc-text.ts'
import type { ShotsOf } from './few-shot.ts'
import { pythonLiteral } from './python-literal.ts'

export type Target = number | string | readonly (number | string)[]

export class Docs {
  readonly #definition: TaskDefinition
  readonly #features: ReadonlySet<string>
  readonly #shotsOf: ShotsOf

  /** @param features the names of the fields of the data */
  constructor(definition: TaskDefinition, features: ReadonlySet<string>, shotsOf: ShotsOf) {
    this.#definition = definition
    this.#features = features
    this.#shotsOf = shotsOf
  }

  /** All that stands before the answer. @param index the item's place among those of the task */
  context(row: Row, index: number): string {
    const { description, docs, fewShot } = this.#definition
    const head = description ? this.#text(row, description) : ''
    const shots = fewShot.count > 0 ? this.#shotsOf(index, row).map(shot => this.#shot(shot)) : []
    return head + shots.join('') + this.question(row, docs)
  }

  /** The choices of a row. @throws TASK for what is no list of texts */
  choices(row: Row, docs: DocTexts = this.#definition.docs): readonly string[] | undefined {
    const { choice } = docs
    if (choice === undefined || Array.isArray(choice)) return choice as readonly string[] | undefined
    const value = this.#of(row, choice as DocText)
    const list = 'field' in value ? value.field : pythonLiteral(value.printed)
    if (Array.isArray(list) && list.length > 0 && list.every(item => typeof item === 'string' && item !== ''))
      return list
    throw this.#wrong(row, choice as DocText, value, 'a list of texts, none empty')
  }

  /** The target: the index of a choice or its text, the text of an answer, or several of them. */
  target(row: Row, docs: DocTexts = this.#definition.docs): Target {
    const { target } = docs
    if (!isDocText(target)) return target
    const value = this.#of(row, target)
    const hasChoices = docs.choice !== undefined
    if ('field' in value) {
      if (typeof value.field === 'boolean') return Number(value.field)
      if (isTarget(value.field) || (Array.isArray(value.field) && value.field.every(isTarget)))
        return value.field as Target
      throw this.#wrong(row, target, value, 'a text, a whole number or a list of them')
    }
    const { printed } = value
    if (hasChoices && /^\p{Nd}+$/u.test(printed)) return Number(printed)
    if (/^\[.*\]$/s.test(printed)) {
      const list = pythonLiteral(printed)
      if (Array.isArray(list) && list.every(isTarget)) return list
    }
    return printed
  }

  question(row: Row, docs: DocTexts): string {
    const { text } = docs
    if (!text) return ''
    const value = this.#of(row, text)
    const question = 'field' in value ? value.field : value.printed
    const isIndex =
      docs.choice !== undefined &&
      typeof question === 'string' &&
      'printed' in value &&
      /^\p{Nd}+$/u.test(question)
    if (typeof question === 'string' && !isIndex) return question
    throw this.#wrong(
      row,
      text,
      value,
      'a text; tasks whose choices are prompts, chosen by number, are not supported',
    )
  }

  /** The error for a row whose gold is not what the task can have. */
  wrongTarget(row: Row, target: Target, expected: string): MtLlamaError {
    const { target: text } = this.#definition.docs
    const where = isDocText(text) ? ` (${text.value.where})` : ''
    return new MtLlamaError(
      'TASK',
      `${row.where}: doc_to_target${where} gives ${shown(target)}; expected ${expected}.`,
    )
  }

  #shot(row: Row): string {
    const { docs, targetDelimiter, delimiter } = this.#definition.fewShot
    const question = this.question(row, docs)
    const target = this.target(row, docs)
    const first = typeof target === 'object' ? target[0] : target
    const choices = this.choices(row, docs)
    const answer = typeof first === 'number' && choices ? choices[first] : first
    if (typeof answer !== 'string') throw this.wrongTarget(row, target, 'a text or the index of a choice')
    // The harness takes an empty target for none, and then puts no delimiters either.
    return target === '' ? question : question + targetDelimiter + answer + delimiter
  }

  #of(row: Row, text: DocText) {
    return text.of(row, this.#features)
  }

  #text(row: Row, text: DocText): string {
    const value = this.#of(row, text)
    if ('printed' in value) return value.printed
    if (typeof value.field === 'string') return value.field
    throw this.#wrong(row, text, value, 'a text')
  }

  #wrong(row: Row, text: DocText, value: ReturnType<DocText['of']>, expected: string): MtLlamaError {
    const found = shown('field' in value ? value.field : value.printed)
    return new MtLlamaError(
      'TASK',
      `${row.where}: ${text.key} (${text.value.where}) gives ${found}; expected ${expected}.`,
    )
  }
}

function isDocText(target: DocTexts['target']): target is DocText {
  return typeof target === 'object' && !Array.isArray(target)
}

function isTarget(value: unknown): value is number | string {
  return typeof value === 'string' || Number.isInteger(value)
}
