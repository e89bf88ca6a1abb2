// Puts rows into words as a task file says: the question, the choices, the target, and the shots before them.
import { plainNumbers } from '../../data/exact-numbers.ts'
import type { Row } from '../../data/row.ts'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import type { DocTexts, TaskDefinition } from './definition.ts'
import type { DocText } from './doc-text.ts'
import type { ShotsOf } from './few-shot.ts'
import { pythonLiteral } from './python-literal.ts'
import { joined, needsDelimiter, type Turn } from './turns.ts'

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

  /**
   * All that stands before the answer.
   * @param index the item's place among those of the task
   * @param instruction stands before the description
   * @param prompt is asked in the place of the row's question, where choices are prompts
   */
  turns(row: Row, index: number, instruction: string, prompt?: string): Turn[] {
    const { description, docs, fewShot, prefix, targetDelimiter, fewshotDelimiter } = this.#definition
    const system = joined(instruction, description ? this.#text(row, description) : '', fewshotDelimiter)
    const shots = fewShot.count > 0 ? this.#shotsOf(index, row) : []
    const question = prompt ?? this.#question(row, docs)
    const begun = prefix ? this.#text(row, prefix) : ''
    const delimiter = prompt === undefined && needsDelimiter(question, begun) ? targetDelimiter : ''
    return [
      ...(system === '' ? [] : [{ role: 'system' as const, content: system, delimiter: '' }]),
      ...shots.flatMap(shot => this.#shot(shot)),
      { role: 'user', content: question, delimiter },
      ...(begun === '' ? [] : [{ role: 'assistant' as const, content: begun, delimiter: '' }]),
    ]
  }

  /**
   * The index of the choice that the question is, for a task whose choices are prompts: all have the same continuation, and
   * doc_to_text says which is right. undefined where the question is a text.
   */
  promptIndex(row: Row): number | undefined {
    const { docs } = this.#definition
    const index = docs.choice === undefined ? undefined : this.#indexOrText(row, docs)
    return typeof index === 'number' ? index : undefined
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
      if (typeof value.field === 'bigint') return String(value.field)
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

  /** The question of a row, or of a shot; a choice where the question is its number. */
  #question(row: Row, docs: DocTexts): string {
    const question = this.#indexOrText(row, docs)
    if (typeof question === 'string') return question
    const choices = this.choices(row, docs)!
    if (question >= 0 && question < choices.length) return choices[question]!
    throw this.#wrong(row, docs.text!, { field: question }, `the number of one of ${choices.length} choices`)
  }

  /** A number only where the task has choices. */
  #indexOrText(row: Row, docs: DocTexts): string | number {
    const { text } = docs
    if (!text) return ''
    const value = this.#of(row, text)
    const question = 'field' in value ? value.field : value.printed
    if (docs.choice === undefined || ('printed' in value && !/^\p{Nd}+$/u.test(value.printed))) {
      if (typeof question === 'string') return question
      throw this.#wrong(row, text, value, 'a text')
    }
    if ('field' in value && typeof question === 'string') return question
    const index = typeof question === 'boolean' ? Number(question) : question
    if (Number.isSafeInteger(index)) return index as number
    if (typeof index === 'string' && /^(?:0|[1-9]\d{0,14})$/.test(index)) return Number(index)
    throw this.#wrong(row, text, value, 'a text, or the number of a choice')
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

  /** The error for a row whose question is not what the task can have. */
  wrongText(row: Row, expected: string): MtLlamaError {
    const text = this.#definition.docs.text!
    return this.#wrong(row, text, this.#of(row, text), expected)
  }

  #shot(row: Row): Turn[] {
    const { docs, prefix, targetDelimiter, delimiter } = this.#definition.fewShot
    const isPrompt = typeof this.#indexOrText(row, docs) === 'number'
    const question = this.#question(row, docs)
    const begun = prefix ? this.#text(row, prefix) : ''
    const separator = begun === '' || needsDelimiter(question, begun) ? targetDelimiter : ''
    const target = this.target(row, docs)
    const first = typeof target === 'object' ? target[0] : target
    // The harness takes an empty target for none, and then puts no delimiters either.
    if (target === '')
      return begun === ''
        ? [{ role: 'user', content: question, delimiter: '' }]
        : [
            { role: 'user', content: question, delimiter: separator },
            { role: 'assistant', content: begun, delimiter: '' },
          ]
    const choices = this.choices(row, docs)
    const answer = typeof first === 'number' ? (isPrompt ? String(first) : choices?.[first]) : first
    if (typeof answer !== 'string') throw this.wrongTarget(row, target, 'a text or the index of a choice')
    return [
      { role: 'user', content: question, delimiter: separator },
      { role: 'assistant', content: joined(begun, answer, ' '), delimiter },
    ]
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
    const found = shown('field' in value ? plainNumbers(value.field) : value.printed)
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
