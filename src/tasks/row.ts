// One row of a data file, read field by field: what is missing or wrong is an error that says where.
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'

export class Row {
  readonly #fields: Record<string, unknown>
  readonly #where: string

  /**
   * @param where for messages: 'copa/validation.jsonl, row 3'
   * @param number from 1, as people count
   */
  constructor(
    fields: Record<string, unknown>,
    where: string,
    readonly number: number,
  ) {
    this.#fields = fields
    this.#where = where
  }

  /** The row's own id, by any of the names data sets use; its number where it has none. */
  id(): string {
    const name = ['id', 'idx'].find(candidate => candidate in this.#fields)
    const value = name === undefined ? this.number : this.#fields[name]
    return typeof value === 'string' ? value : shown(value)
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null
  }

  /** Any text, the empty one included; exactly as it is in the file. */
  text(...names: string[]): string {
    const { name, value } = this.#get(names)
    return typeof value === 'string' ? value : this.fail(name, value, 'a text')
  }

  /** A list of texts. */
  texts(name: string): string[] {
    const { value } = this.#get([name])
    const list = parsed(value)
    return isTexts(list) ? list : this.fail(name, value, 'a list of texts')
  }

  /** A nested object, itself read as a row; in TSV it is written as JSON. */
  nested(name: string): Row {
    const { value } = this.#get([name])
    const object = parsed(value)
    if (!isRecord(object)) return this.fail(name, value, 'an object')
    return new Row(object, `${this.#where}, "${name}"`, this.number)
  }

  /** A list of objects, each read as a row. */
  list(name: string): Row[] {
    const { value } = this.#get([name])
    const list = parsed(value)
    if (!Array.isArray(list) || !list.every(isRecord)) return this.fail(name, value, 'a list of objects')
    return list.map((item, i) => new Row(item, `${this.#where}, "${name}" ${i + 1}`, this.number))
  }

  /** The same row with more fields, at its place in the file. */
  with(fields: Record<string, unknown>, where: string, number: number): Row {
    return new Row({ ...this.#fields, ...fields }, where, number)
  }

  isList(name: string): boolean {
    return Array.isArray(parsed(this.#fields[name]))
  }

  /**
   * The index of a gold label.
   * @param spellings one list per class: every way the field may name it; numbers and booleans match as their text
   */
  label(names: string | string[], spellings: readonly (readonly string[])[]): number {
    const { name, value } = this.#get([names].flat())
    const text = ['number', 'boolean', 'string'].includes(typeof value) ? String(value) : undefined
    if (text === '-1' || text === '') {
      const file = this.#where
      throw new MtLlamaError(
        'DATA_INVALID',
        `${file}: "${name}" is ${shown(value)}, so the row has no gold label. Test sets are published so; use a labelled split.`,
      )
    }
    const index = spellings.findIndex(names => text !== undefined && names.includes(text))
    if (index < 0) this.fail(name, value, `one of ${spellings.flat().join(', ')}`)
    return index
  }

  /** @throws DATA_INVALID: what the field holds and what it should hold */
  fail(name: string, value: unknown, expected: string): never {
    throw new MtLlamaError(
      'DATA_INVALID',
      `${this.#where}: "${name}" is ${shown(value)}; expected ${expected}.`,
    )
  }

  #get(names: string[]): { name: string; value: unknown } {
    const name = names.find(candidate => this.has(candidate))
    if (name !== undefined) return { name, value: this.#fields[name] }
    const wanted = names.map(n => `"${n}"`).join(' or ')
    const found = Object.keys(this.#fields).join(', ')
    throw new MtLlamaError(
      'DATA_INVALID',
      `${this.#where}: no field ${wanted}; the row has ${found || 'no fields'}.`,
    )
  }
}

/** A cell of a TSV file that holds a list or an object is JSON. */
function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}
