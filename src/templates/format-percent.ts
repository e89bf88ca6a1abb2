// Formats texts as Python's operator % does: 'text' % values.

import type { Budget } from './budget.ts'
import { floatAs, integerAs } from './format-number.ts'
import { checkPrecision } from './number-text.ts'
import { isNumber, toNumber } from './numbers.ts'
import { repr, toText } from './print.ts'
import { lengthOf, pointsOf } from './text.ts'
import { Dict, List, orElse, TemplateError, Tuple, typeName, type Value } from './values.ts'

const directive = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d*))?[hlL]?(.)?/gsu

/** Puts the values into the text. @throws TemplateError */
export function formatPercent(text: string, values: Value, budget: Budget): string {
  const queue = values instanceof Tuple ? [...values.items] : [values]
  const take = (): Value => {
    const value = queue.shift()
    if (value === undefined) throw new TemplateError('not enough arguments for format string')
    return value
  }
  const star = (field: string | undefined): number | undefined => {
    if (field === undefined) return undefined
    if (field !== '*') return Number(field)
    const value = take()
    if (typeof value !== 'bigint') throw new TemplateError('* wants int')
    return Number(value)
  }
  budget.read(text.length)
  const made = text.replace(directive, (_, name, flags, widthField, precisionField, type) => {
    if (type === undefined) throw new TemplateError('incomplete format', 'ValueError')
    if (name !== undefined && !(values instanceof Dict)) throw new TemplateError('format requires a mapping')
    const width = star(widthField) ?? 0
    const precision = precisionField === '' ? 0 : star(precisionField)
    if (type === '%') return '%'
    const named = name === undefined ? undefined : (values as Dict).get(name, budget)
    if (name !== undefined && named === undefined) throw new TemplateError(`'${name}'`, 'KeyError')
    const value = orElse(named, take)
    return pad(converted(type, value, flags, precision, budget), width, flags, type, budget)
  })
  // Python takes a list for a mapping here, whose values may be left over.
  if (queue.length > 0 && !(values instanceof Dict || values instanceof List))
    throw new TemplateError('not all arguments converted during string formatting')
  budget.make(made.length)
  return made
}

function converted(
  type: string,
  value: Value,
  flags: string,
  precision: number | undefined,
  budget: Budget,
): string {
  if (type === 's' || type === 'r' || type === 'a') {
    const text = type === 's' ? toText(value, budget) : repr(value, budget)
    if (precision === undefined) return text
    const points = pointsOf(text).slice(0, precision)
    return typeof points === 'string' ? points : points.join('')
  }
  if (type === 'c') {
    if (typeof value === 'string' && lengthOf(value) === 1) return value
    if (typeof value === 'bigint' && value >= 0n && value < 0x110000n)
      return String.fromCodePoint(Number(value))
    throw new TemplateError('%c requires int or char')
  }
  const isWhole = /[diouxX]/.test(type)
  if (!isWhole && !/[eEfFgG]/.test(type))
    throw new TemplateError(`unsupported format character '${type}'`, 'ValueError')
  if (!isNumber(value))
    throw new TemplateError(
      isWhole
        ? `%${type} format: a number is required, not ${typeName(value)}`
        : `must be real number, not ${typeName(value)}`,
    )
  const number = toNumber(value)
  let text: string
  if (isWhole) {
    if (typeof number === 'number' && (!/[diu]/.test(type) || !Number.isFinite(number)))
      throw new TemplateError(`%${type} format: an integer is required, not float`)
    text = integerAs(
      BigInt(typeof number === 'number' ? Math.trunc(number) : number),
      type,
      flags.includes('#'),
    )
    if (precision !== undefined)
      text = text.replace(/[\da-fA-F]+$/, digits => digits.padStart(checkPrecision(precision), '0'))
  } else text = floatAs(Number(number), type, precision, flags.includes('#'))
  if (text.startsWith('-')) return text
  return flags.includes('+') ? `+${text}` : flags.includes(' ') ? ` ${text}` : text
}

function pad(text: string, width: number, flags: string, type: string, budget: Budget): string {
  const missing = Math.max(0, width - lengthOf(text))
  budget.make(missing)
  if (flags.includes('-')) return text + ' '.repeat(missing)
  if (!flags.includes('0') || /(?:nan|inf)$/i.test(text) || /[srac]/.test(type))
    return ' '.repeat(missing) + text
  const [head] = text.match(/^[-+ ]?(?:0[xXo])?/)!
  return head + '0'.repeat(missing) + text.slice(head.length)
}
