// Formats a number in one of Python's presentation types: d, x, o, b, e, f, g and others.
import { checkPrecision, exponential, fixed, general } from './number-text.ts'

/** Formats a float with its sign, in lower or upper case as the type is. */
export function floatAs(
  value: number,
  type: string,
  precision: number | undefined,
  keepZeros: boolean,
): string {
  const digits = checkPrecision(precision ?? 6)
  const lower = type.toLowerCase()
  let text: string
  if (!Number.isFinite(value)) text = Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'
  else if (lower === 'f') text = fixed(value, digits)
  else if (lower === 'e') text = exponential(value, digits)
  else text = general(value, digits, keepZeros)
  return type === lower ? text : text.toUpperCase()
}

const bases: Record<string, number> = { b: 2, o: 8, x: 16, X: 16 }

/** Formats a whole number with its sign. @param prefix whether `0x` or the like stands before the digits */
export function integerAs(value: bigint, type: string, prefix: boolean): string {
  const base = bases[type] ?? 10
  const digits = (value < 0n ? -value : value).toString(base)
  return (
    (value < 0n ? '-' : '') +
    (prefix && base !== 10 ? `0${type}` : '') +
    (type === 'X' ? digits.toUpperCase() : digits)
  )
}
