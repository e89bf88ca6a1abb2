// Reading values of unknown shape out of a tokenizer file: every complaint names the file, the field and the value.
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'

/** The error every reader of this folder throws. */
export function tokenizerError(file: string, message: string, options?: ErrorOptions): MtLlamaError {
  return new MtLlamaError('TOKENIZER', `${file}: ${message} [TOKENIZER]`, options)
}

/** One value of a parsed file together with where it stands. */
export class Field {
  readonly file: string
  /** 'model.merges[3]'; '' is the whole file. */
  readonly path: string
  readonly value: unknown

  constructor(file: string, path: string, value: unknown) {
    this.file = file
    this.path = path
    this.value = value
  }

  /** The field of that name; undefined inside where it is absent or null. */
  get(name: string): Field {
    const object = this.object()
    const value = Object.hasOwn(object, name) ? object[name] : undefined
    return new Field(this.file, this.path === '' ? name : `${this.path}.${name}`, value ?? undefined)
  }

  get missing(): boolean {
    return this.value === undefined || this.value === null
  }

  object(): Record<string, unknown> {
    if (!isRecord(this.value)) throw this.error('an object')
    return this.value
  }

  items(): Field[] {
    if (!Array.isArray(this.value)) throw this.error('a list')
    return this.value.map((item, i) => new Field(this.file, `${this.path}[${i}]`, item))
  }

  string(fallback?: string): string {
    if (this.missing && fallback !== undefined) return fallback
    if (typeof this.value !== 'string') throw this.error('a string')
    return this.value
  }

  boolean(fallback?: boolean): boolean {
    if (this.missing && fallback !== undefined) return fallback
    if (typeof this.value !== 'boolean') throw this.error('true or false')
    return this.value
  }

  /** A whole number from 0 to 2^24, which no vocabulary exceeds: tables are allocated by it. */
  id(): number {
    if (!isTokenId(this.value)) throw this.error('a token id')
    return this.value
  }

  /** What to throw where the value is not what was expected. */
  error(expected: string): MtLlamaError {
    const found = this.missing ? 'is missing' : `is ${shown(this.value)}`
    return tokenizerError(this.file, `${this.path || 'the file'} ${found}; expected ${expected}`)
  }
}

/** Whether a value is a whole number from 0 to 2^24. */
export function isTokenId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 1 << 24
}
