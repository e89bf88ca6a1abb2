// Reading the fields of a config with checks: an error names file, field and value.
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import type { JsonObject } from './json.ts'

/**
 * Above any size of a model that exists. Products of two stay below 2^53, and nothing is allocated by a size before the
 * tensors have been seen to have it, except a table of contextLength * headDim / 2 rotations.
 */
const MAX_SIZE = 2 ** 24

/** Ids are int32 in native code. */
const MAX_TOKEN_ID = 2 ** 31 - 1

export class Fields {
  private readonly json: JsonObject
  readonly where: string

  /** @param where begins the message of an error: 'config.json' */
  constructor(json: JsonObject, where: string) {
    this.json = json
    this.where = where
  }

  get(name: string): unknown {
    return Object.hasOwn(this.json, name) ? this.json[name] : undefined
  }

  names(): string[] {
    return Object.keys(this.json)
  }

  isAbsent(name: string): boolean {
    return this.get(name) === undefined
  }

  /** Absent or null. */
  isNull(name: string): boolean {
    return this.get(name) === undefined || this.get(name) === null
  }

  /** A positive whole number. @param fallback where the field is absent or null; without one it must be there */
  size(name: string, fallback?: number): number {
    const value = this.get(name) ?? fallback
    if (Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= MAX_SIZE)
      return value as number
    throw this.corrupt(name, `expected a whole number from 1 to ${MAX_SIZE}`)
  }

  /** A positive, finite number. @param fallback as of size() */
  positive(name: string, fallback?: number): number {
    const value = this.get(name) ?? fallback
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value
    throw this.corrupt(name, 'expected a number above 0')
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.get(name) ?? fallback
    if (typeof value === 'boolean') return value
    throw this.corrupt(name, 'expected true or false')
  }

  /** A token id, a list of them, or null for none. */
  tokenIds(name: string): number[] {
    const value = this.get(name) ?? []
    const ids = Array.isArray(value) ? value : [value]
    if (ids.every(id => Number.isSafeInteger(id) && id >= 0 && id <= MAX_TOKEN_ID)) return ids
    throw this.corrupt(name, 'expected a token id, a list of them, or null')
  }

  /** The fields of an object in this one. */
  object(name: string): Fields {
    const value = this.get(name)
    if (isRecord(value)) return new Fields(value, `${this.where}, ${name}`)
    throw this.corrupt(name, 'expected an object')
  }

  /** A value that makes no sense. */
  corrupt(name: string, why: string): MtLlamaError {
    return new MtLlamaError('CHECKPOINT_CORRUPT', this.message(name, why))
  }

  /** A value that makes sense, but not here. */
  unsupported(name: string, why: string): MtLlamaError {
    return new MtLlamaError('CHECKPOINT_UNSUPPORTED', this.message(name, why))
  }

  private message(name: string, why: string): string {
    const found = this.isAbsent(name) ? `no "${name}"` : `"${name}" is ${shown(this.get(name))}`
    return `${this.where}: ${found}; ${why}`
  }
}
