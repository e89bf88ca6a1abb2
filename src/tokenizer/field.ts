// Reads values of unknown shape out of a tokenizer file: an error names the file, the value's path and the value.
import { boolean, check, type Kind, list, object, ownField, text, wholeNumber } from '../data/fields.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'

/** The error that every reader of this folder throws. */
export function tokenizerError(file: string, message: string, options?: ErrorOptions): MtLlamaError {
  return new MtLlamaError('TOKENIZER', `${file}: ${message}`, options)
}

/** A whole number from 0 to 2^24, which no vocabulary exceeds: tables are allocated by ids. */
const tokenId = wholeNumber(0, 1 << 24, 'a token id')

/** One value of a parsed file together with where it stands. */
export class Field {
  readonly file: string
  /** Where the value stands in the file: 'model.merges[3]'. '' is the whole file. */
  readonly path: string
  readonly value: unknown

  constructor(file: string, path: string, value: unknown) {
    this.file = file
    this.path = path
    this.value = value
  }

  /** The field of that name, whose value is undefined if it is absent or null. */
  get(name: string): Field {
    const value = ownField(this.object(), name)
    return new Field(this.file, this.path === '' ? name : `${this.path}.${name}`, value ?? undefined)
  }

  get missing(): boolean {
    return this.value === undefined || this.value === null
  }

  object(): Record<string, unknown> {
    return this.#read(object)
  }

  items(): Field[] {
    return this.#read(list).map((item, i) => new Field(this.file, `${this.path}[${i}]`, item))
  }

  /** @param fallback counts where the value is missing; without one, that is an error */
  string(fallback?: string): string {
    return this.#read(text, fallback)
  }

  /** @param fallback counts where the value is missing; without one, that is an error */
  boolean(fallback?: boolean): boolean {
    return this.#read(boolean, fallback)
  }

  /** A whole number from 0 to 2^24. */
  id(): number {
    return this.#read(tokenId)
  }

  /** The error for a value that is not what was expected. */
  error(expected: string): MtLlamaError {
    const found = this.missing ? 'is missing' : `is ${shown(this.value)}`
    return tokenizerError(this.file, `${this.path || 'the file'} ${found}; expected ${expected}`)
  }

  #read<Value>(kind: Kind<Value>, fallback?: Value): Value {
    return check(this.value ?? fallback, kind, expected => this.error(expected))
  }
}

/** Whether a value is a whole number from 0 to 2^24. */
export function isTokenId(value: unknown): value is number {
  return tokenId.is(value)
}
