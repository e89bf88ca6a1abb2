// Reads the fields of objects of unknown shape with checks: an error names the file, the field, what the field holds and
// what was expected.
import type { MtLlamaError } from '../errors.ts'
import { isRecord } from './record.ts'
import { shown } from './shown.ts'

/** What a value has to be. */
export interface Kind<Value> {
  /** The words that follow 'expected' in a message. */
  readonly expected: string
  is(value: unknown): value is Value
}

export const text = kind('a text', (value): value is string => typeof value === 'string')
export const boolean = kind('true or false', (value): value is boolean => typeof value === 'boolean')
export const object = kind('an object', isRecord)
export const list = kind('a list', (value): value is unknown[] => Array.isArray(value))

export const positiveNumber = kind(
  'a number above 0',
  (value): value is number => Number.isFinite(value) && (value as number) > 0,
)

export function wholeNumber(
  min: number,
  max: number,
  expected = `a whole number from ${min} to ${max}`,
): Kind<number> {
  return kind(
    expected,
    (value): value is number =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  )
}

/** @param items the words for several such values: 'texts' */
export function listOf<Item>(item: Kind<Item>, items: string): Kind<Item[]> {
  return kind(`a list of ${items}`, (value): value is Item[] => Array.isArray(value) && value.every(item.is))
}

export function kind<Value>(expected: string, is: (value: unknown) => value is Value): Kind<Value> {
  return { expected, is }
}

/** Returns the value if it is of that kind. @param error makes the error that is thrown otherwise */
export function check<Value>(
  value: unknown,
  { is, expected }: Kind<Value>,
  error: (expected: string) => Error,
): Value {
  if (is(value)) return value
  throw error(expected)
}

/** The value of an object's own field; undefined for what the object inherits. */
export function ownField(values: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(values, name) ? values[name] : undefined
}

/** The fields of one object. Each kind of file has a subclass, with the kinds of values it needs and its error code. */
export abstract class FieldReader {
  protected readonly values: Readonly<Record<string, unknown>>
  /** The place that begins each message: 'config.json'. */
  readonly where: string

  constructor(values: Readonly<Record<string, unknown>>, where: string) {
    this.values = values
    this.where = where
  }

  names(): string[] {
    return Object.keys(this.values)
  }

  get(name: string): unknown {
    return ownField(this.values, name)
  }

  isAbsent(name: string): boolean {
    return this.get(name) === undefined
  }

  /** Whether the field is absent or null. */
  isNull(name: string): boolean {
    return this.get(name) === undefined || this.get(name) === null
  }

  /** @param fallback counts where the field is absent or null, which is an error without a fallback */
  read<Value>(name: string, kind: Kind<Value>, fallback?: Value): Value {
    return check(this.get(name) ?? fallback, kind, expected => this.wrong(name, expected))
  }

  /** The error for a field that is not what was expected. */
  wrong(name: string, expected: string, value = this.get(name)): MtLlamaError {
    return this.error(this.message(name, `expected ${expected}`, value))
  }

  /** A message such as 'config.json: "hidden_size" is 0; expected a whole number from 1 to 16777216'. */
  protected message(name: string, why: string, value = this.get(name)): string {
    const found = value === undefined ? `no "${name}"` : `"${name}" is ${shown(value)}`
    return `${this.where}: ${found}; ${why}`
  }

  protected abstract error(message: string): MtLlamaError
}
