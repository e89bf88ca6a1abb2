// One row of a data file, read field by field: what is missing or wrong is an error that says where.

import { MtLlamaError } from '../errors.ts'
import { plainNumbers } from './exact-numbers.ts'
import { check, FieldReader, type Kind, list, listOf, object, ownField, text } from './fields.ts'
import { shown } from './shown.ts'

const texts = listOf(text, 'texts')
const objects = listOf(object, 'objects')

export class Row extends FieldReader {
  /** The row's number in its file, counted from 1. */
  readonly number: number
  readonly #exact: Readonly<Record<string, unknown>>

  /**
   * @param where begins each message: 'copa/validation.jsonl, row 3'
   * @param exact the values with numbers as Python has them (exact-numbers.ts), where some differ
   */
  constructor(values: Record<string, unknown>, where: string, number: number, exact = values) {
    super(values, where)
    this.number = number
    this.#exact = exact
  }

  /** A row of values with numbers as Python has them. */
  static ofExact(exact: Record<string, unknown>, where: string, number: number): Row {
    return new Row(plainNumbers(exact) as typeof exact, where, number, exact)
  }

  /** A field as templates print it: its numbers are Python's. */
  exact(name: string): unknown {
    return ownField(this.#exact, name)
  }

  /** The row's own id, under any of the names that data sets use; its number where it has none. */
  id(): string {
    const name = ['id', 'idx'].find(candidate => !this.isAbsent(candidate))
    const value = name === undefined ? this.number : this.get(name)
    return text.is(value) ? value : shown(value)
  }

  has(name: string): boolean {
    return !this.isNull(name)
  }

  /**
   * A text, exactly as it is in the file; it may be empty.
   * @param names the field's names in different data sets: the first one that the row has is read
   */
  text(...names: string[]): string {
    return this.read(this.#present(names), text)
  }

  texts(name: string): string[] {
    return this.#readCell(name, texts)
  }

  /** A nested object, itself read as a row. */
  nested(name: string): Row {
    return new Row(this.#readCell(name, object), `${this.where}, "${name}"`, this.number)
  }

  /** A list of objects, each read as a row. */
  list(name: string): Row[] {
    const items = this.#readCell(name, objects)
    return items.map((item, i) => new Row(item, `${this.where}, "${name}" ${i + 1}`, this.number))
  }

  /** A row with the fields of this one and some more, and a place of its own in the file. */
  with(fields: Record<string, unknown>, where: string, number: number): Row {
    return new Row({ ...this.values, ...fields }, where, number, { ...this.#exact, ...fields })
  }

  isList(name: string): boolean {
    return list.is(parsed(this.get(name)))
  }

  /**
   * The index of a gold label.
   * @param spellings one list per class: every way the field may name it; numbers and booleans match as their text
   */
  label(names: string | string[], spellings: readonly (readonly string[])[]): number {
    const name = this.#present([names].flat())
    const value = this.get(name)
    const label = ['number', 'boolean', 'string'].includes(typeof value) ? String(value) : undefined
    if (label === '-1' || label === '')
      throw this.error(
        `${this.where}: "${name}" is ${shown(value)}, so the row has no gold label. Test sets are published so; use a labelled split`,
      )
    const index = spellings.findIndex(spelt => label !== undefined && spelt.includes(label))
    if (index < 0) throw this.wrong(name, `one of ${spellings.flat().join(', ')}`)
    return index
  }

  protected error(message: string): MtLlamaError {
    return new MtLlamaError('DATA_INVALID', `${message}.`)
  }

  /** The first of the names that the row has. @throws DATA_INVALID */
  #present(names: readonly string[]): string {
    const name = names.find(candidate => this.has(candidate))
    if (name !== undefined) return name
    const wanted = names.map(n => `"${n}"`).join(' or ')
    throw this.error(
      `${this.where}: no field ${wanted}; the row has ${this.names().join(', ') || 'no fields'}`,
    )
  }

  /** A list or an object; a cell of a TSV file holds it as JSON. */
  #readCell<Value>(name: string, kind: Kind<Value>): Value {
    const value = parsed(this.get(this.#present([name])))
    return check(value, kind, expected => this.wrong(name, expected))
  }
}

function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
