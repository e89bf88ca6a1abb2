// Tells which values are numbers: a bool is the int 0 or 1.
import type { Value } from './values.ts'

export function isNumber(value: Value): value is bigint | number | boolean {
  return typeof value === 'number' || isInteger(value)
}

export function isInteger(value: Value): value is bigint | boolean {
  return typeof value === 'bigint' || typeof value === 'boolean'
}

/** Makes an int of a bool. */
export function toNumber(value: bigint | number | boolean): bigint | number {
  return typeof value === 'boolean' ? BigInt(value) : value
}
