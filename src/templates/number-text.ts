// Writes numbers with a given number of digits: exact, half to even, as Python's round() and format() do it.
import { TemplateError } from './values.ts'

/** Maximum of digits asked for, which is more than any float has. */
const maxPrecision = 1100

/** Refuses a precision beyond the maximum. @throws TemplateError */
export function checkPrecision(precision: number): number {
  if (precision > maxPrecision)
    throw new TemplateError(`precision ${precision} is above ${maxPrecision}`, 'ValueError')
  return precision
}

/** Gives round(|value| * 10 ** scale) of a finite float, exactly, half to even. */
export function scaledDigits(value: number, scale: number): bigint {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, Math.abs(value))
  const word = bits.getBigUint64(0)
  const exponent = Number(word >> 52n)
  const fraction = word & (2n ** 52n - 1n)
  const power = Math.max(exponent, 1) - 1075
  let numerator = exponent === 0 ? fraction : fraction | (1n << 52n)
  let denominator = 1n
  if (power > 0) numerator <<= BigInt(power)
  else denominator <<= BigInt(-power)
  if (scale > 0) numerator *= 10n ** BigInt(scale)
  else denominator *= 10n ** BigInt(-scale)
  const digits = numerator / denominator
  const twice = (numerator % denominator) * 2n
  return twice > denominator || (twice === denominator && digits % 2n === 1n) ? digits + 1n : digits
}

/** Writes type 'f', with `precision` digits behind the point. */
export function fixed(value: number, precision: number): string {
  const digits = scaledDigits(value, precision)
    .toString()
    .padStart(precision + 1, '0')
  const point = digits.length - precision
  return signOf(value) + digits.slice(0, point) + (precision > 0 ? `.${digits.slice(point)}` : '')
}

/** Writes type 'e', with one digit before the point and `precision` behind it. */
export function exponential(value: number, precision: number): string {
  const { digits, exponent } = significant(value, precision + 1)
  const behind = precision > 0 ? `.${digits.slice(1)}` : ''
  return signOf(value) + digits[0] + behind + exponentText(exponent)
}

/** Writes type 'g': `precision` digits, with an exponent where that is below -4 or not below the precision. */
export function general(value: number, precision: number, keepZeros: boolean): string {
  const count = Math.max(precision, 1)
  const { digits, exponent } = significant(value, count)
  const cut = (text: string) => (keepZeros || !text.includes('.') ? text : text.replace(/\.?0+$/, ''))
  if (exponent < -4 || exponent >= count)
    return signOf(value) + cut(`${digits[0]}.${digits.slice(1)}`).replace(/\.$/, '') + exponentText(exponent)
  return cut(fixed(value, count - 1 - exponent))
}

/** Rounds as Python's round(value, precision) does. */
export function rounded(value: number, precision: number): number {
  if (!Number.isFinite(value) || precision > 330) return value
  if (precision < -330) return value < 0 ? -0 : 0
  const digits = scaledDigits(value, precision)
  return Number(`${signOf(value)}${digits}e${-precision}`)
}

function significant(value: number, count: number): { digits: string; exponent: number } {
  if (value === 0) return { digits: '0'.repeat(count), exponent: 0 }
  const exponent = Number(value.toExponential().split('e')[1])
  const digits = scaledDigits(value, count - 1 - exponent).toString()
  return digits.length > count
    ? { digits: digits.slice(0, count), exponent: exponent + 1 }
    : { digits, exponent }
}

function exponentText(exponent: number): string {
  return `e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

function signOf(value: number): string {
  return value < 0 || Object.is(value, -0) ? '-' : ''
}
