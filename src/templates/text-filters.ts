// Filters that make texts or numbers of a value.

import { pythonSpace } from '../data/white-space.ts'
import { getItem } from './attributes.ts'
import { formatPercent } from './format-percent.ts'
import { lengthOfValue, toList } from './iterate.ts'
import { toJson } from './json.ts'
import { rounded } from './number-text.ts'
import { isInteger, isNumber, toNumber } from './numbers.ts'
import { unary } from './operators.ts'
import { toText } from './print.ts'
import type { Filter, Runtime } from './runtime.ts'
import { capitalize, lengthOf, pointsOf, replace, splitLines, strip } from './text.ts'
import { integer, joined, padded, textArgument } from './text-methods.ts'
import { Arguments, Dict, isTruthy, TemplateError, Tuple, typeName, Undefined, type Value } from './values.ts'

const changed =
  (name: string, change: (text: string) => string): Filter =>
  (value, args, { budget }) => {
    args.bind(name, [])
    const text = toText(value, budget)
    budget.make(text.length)
    return change(text)
  }

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&#39;', '"': '&#34;' }
const escaped = changed('escape', text => text.replace(/[&<>'"]/g, c => escapes[c]!))

export const textFilters: Record<string, Filter> = {
  abs: (value, args) => {
    args.bind('abs', [])
    if (value instanceof Undefined) throw value.error()
    if (!isNumber(value)) throw new TemplateError(`bad operand type for abs(): '${typeName(value)}'`)
    const number = toNumber(value)
    return number < 0 || Object.is(number, -0) ? unary('-', number) : number
  },
  capitalize: changed('capitalize', capitalize),
  center: (value, args, { budget }) => {
    const [width = 80n] = args.bind('center', ['width'])
    return padded('center', toText(value, budget), new Arguments([width]), budget)
  },
  e: escaped,
  escape: escaped,
  forceescape: escaped,
  float: (value, args) => {
    const [fallback = 0] = args.bind('float', ['default'])
    return toFloat(value) ?? fallback
  },
  format: (value, args, { budget }) => {
    if (args.positional.length > 0 && args.keyword.size > 0)
      throw new TemplateError(
        "can't handle positional and keyword arguments at the same time",
        'FilterArgumentError',
      )
    const named = new Dict()
    for (const [name, argument] of args.keyword) named.set(name, argument, budget)
    return formatPercent(toText(value, budget), named.size > 0 ? named : new Tuple(args.positional), budget)
  },
  indent: (value, args, { budget }) => {
    const [width = 4n, first = false, blank = false] = args.bind('indent', ['width', 'first', 'blank'])
    const indent = typeof width === 'string' ? width : spaces(integer('indent', width), budget)
    const [head = '', ...lines] = splitLines(`${textArgument('indent', value)}\n`)
    budget.make(lines.reduce((sum, line) => sum + line.length + indent.length + 1, head.length))
    const rest = lines.map(line => `\n${line !== '' || isTruthy(blank) ? indent : ''}${line}`)
    return (isTruthy(first) ? indent : '') + head + rest.join('')
  },
  int: (value, args) => {
    const [fallback = 0n, base = 10n] = args.bind('int', ['default', 'base'])
    return toInt(value, integer('int', base)) ?? fallback
  },
  join: (value, args, { budget }) => {
    const [between = '', attribute = null] = args.bind('join', ['d', 'attribute'])
    const parts = toList(value, budget).map(item =>
      toText(attribute === null ? item : pathOf(attribute, budget)(item), budget),
    )
    return joined(parts, toText(between, budget), budget)
  },
  lower: changed('lower', text => text.toLowerCase()),
  replace: (value, args, { budget }) => {
    const [part, by, count = null] = args.bind('replace', ['old', 'new', 'count'], 2)
    const max = count === null ? -1 : integer('replace', count)
    return replace(
      toText(value, budget),
      toText(part!, budget),
      toText(by!, budget),
      max < 0 ? Number.POSITIVE_INFINITY : max,
      budget,
    )
  },
  round: (value, args) => round(value, args),
  safe: changed('safe', text => text),
  string: changed('string', text => text),
  title: changed('title', text =>
    text
      .split(new RegExp(`([-(\\{[<${pythonSpace}]+)`, 'u'))
      .map(word => {
        const [first = ''] = word
        return first.toUpperCase() + word.slice(first.length).toLowerCase()
      })
      .join(''),
  ),
  tojson: (value, args, { budget }) => {
    const [ensureAscii = false, indent = null, separators = null, sortKeys = false] = args.bind('tojson', [
      ...['ensure_ascii', 'indent', 'separators', 'sort_keys'],
    ])
    const between = separators === null ? [] : toList(separators, budget)
    if (separators !== null && between.length !== 2)
      throw new TemplateError(`separators are two texts; got ${between.length}`, 'ValueError')
    const [betweenItems = indent === null ? ', ' : ',', afterKey = ': '] = between
    return toJson(
      value,
      {
        ensureAscii: isTruthy(ensureAscii),
        indent: indentOf(indent, budget),
        separators: [textArgument('tojson', betweenItems), textArgument('tojson', afterKey)],
        sortKeys: isTruthy(sortKeys),
      },
      budget,
    )
  },
  trim: (value, args, { budget }) => {
    const [chars = null] = args.bind('trim', ['chars'])
    const text = toText(value, budget)
    budget.make(text.length)
    return strip(text, 'both', chars === null ? undefined : textArgument('strip', chars))
  },
  truncate,
  upper: changed('upper', text => text.toUpperCase()),
  urlencode: (value, args, { budget }) => {
    args.bind('urlencode', [])
    if (!(value instanceof Dict) && (typeof value === 'string' || !(typeof value === 'object')))
      return quote(toText(value, budget), /[^\w.~/-]/gu)
    const pairs = value instanceof Dict ? value.items() : toList(value, budget)
    const all = /[^\w.~-]/gu
    return pairs
      .map(pair =>
        pairOf(pair, budget)
          .map(part => quote(toText(part, budget), all).replaceAll('%20', '+'))
          .join('='),
      )
      .join('&')
  },
  wordcount: (value, args, { budget }) => {
    args.bind('wordcount', [])
    const text = toText(value, budget)
    budget.read(text.length)
    let count = 0n
    for (const _ of text.matchAll(/[\p{L}\p{N}_]+/gu)) count++
    return count
  },
}

/**
 * Makes a function that follows an attribute as filters name it: 'a.b.0', or an index.
 * @param fallback the value for what is missing
 */
export function pathOf(
  attribute: Value,
  budget: Runtime['budget'],
  fallback: Value = null,
): (item: Value) => Value {
  const parts: Value[] =
    typeof attribute === 'string'
      ? attribute.split('.').map(part => (/^\d+$/.test(part) ? BigInt(part) : part))
      : [attribute]
  return item =>
    parts.reduce((value, part) => {
      const next = getItem(value, part, budget)
      return next instanceof Undefined && fallback !== null ? fallback : next
    }, item)
}

/** Takes a value as a pair. @throws TemplateError for what is none */
export function pairOf(value: Value, budget: Runtime['budget']): readonly [Value, Value] {
  const items = toList(value, budget)
  if (items.length !== 2) throw new TemplateError(`expected a pair, got ${items.length} items`, 'ValueError')
  return [items[0]!, items[1]!]
}

/** The text before a line of JSON, of an argument that is a text, a number of spaces or None. */
export function indentOf(indent: Value, budget: Runtime['budget']): string | null {
  return indent === null || typeof indent === 'string' ? indent : spaces(integer('tojson', indent), budget)
}

function spaces(count: number, budget: Runtime['budget']): string {
  budget.make(Math.max(0, count))
  return ' '.repeat(Math.max(0, count))
}

function quote(text: string, unsafe: RegExp): string {
  return text.replace(unsafe, c =>
    Array.from(
      new TextEncoder().encode(c),
      byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    ).join(''),
  )
}

const floatForm =
  /^[+-]?(?:(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?|inf(?:inity)?|nan)$/i

/** Writes the decimal digits of all scripts as ASCII has them: each script has its ten in a row, the zero first. */
function asciiDigits(text: string): string {
  return text.replace(/[^\P{Nd}0-9]/gu, c => {
    let digit = 0
    while (/\p{Nd}/u.test(String.fromCodePoint(c.codePointAt(0)! - digit - 1))) digit++
    return String(digit % 10)
  })
}

/** Converts as float(value) does; undefined where that fails. @throws TemplateError for what is undefined */
function toFloat(value: Value): number | undefined {
  if (value instanceof Undefined) throw value.error()
  if (isNumber(value)) return Number(toNumber(value))
  if (typeof value !== 'string') return undefined
  const text = asciiDigits(strip(value, 'both'))
  if (!floatForm.test(text)) return undefined
  if (/n/i.test(text)) return /nan/i.test(text) ? Number.NaN : text.startsWith('-') ? -Infinity : Infinity
  return Number(text.replaceAll('_', ''))
}

const digitsOf: Record<number, string> = {
  2: '(?:0b_?)?[01]',
  8: '(?:0o_?)?[0-7]',
  10: '\\d',
  16: '(?:0x_?)?[\\da-f]',
}
const prefixes: Record<number, string> = { 2: '0b', 8: '0o', 10: '', 16: '0x' }

/** Converts as int(value) does; undefined where that fails. @throws TemplateError for what is undefined */
function toInt(value: Value, base: number): bigint | undefined {
  if (isInteger(value)) return BigInt(value)
  if (typeof value === 'string') {
    const form = digitsOf[base]
    if (form === undefined)
      throw new TemplateError(`int: base ${base} is not supported; 2, 8, 10 and 16 are`, 'ValueError')
    const text = asciiDigits(strip(value, 'both')).toLowerCase()
    if (
      text.length <= 4300 &&
      new RegExp(`^[+-]?${form}(?:_?${form.replace(/^\(.*?\)\?/, '')})*$`).test(text)
    ) {
      const digits = text.replace(/^[+-]/, '').replaceAll('_', '')
      const prefix = prefixes[base]!
      const number = BigInt(digits.startsWith(prefix) ? digits : prefix + digits)
      return text.startsWith('-') ? -number : number
    }
  }
  const float = toFloat(value)
  if (float === undefined || Number.isNaN(float)) return undefined
  if (Number.isFinite(float)) return BigInt(Math.trunc(float))
  if (typeof value === 'string') return undefined
  throw new TemplateError('cannot convert float infinity to integer', 'OverflowError')
}

function round(value: Value, args: Arguments): Value {
  const [precisionValue = 0n, method = 'common'] = args.bind('round', ['precision', 'method'])
  if (value instanceof Undefined) throw value.error()
  if (method !== 'common' && method !== 'ceil' && method !== 'floor')
    throw new TemplateError('method must be common, ceil or floor', 'FilterArgumentError')
  if (!isNumber(value)) throw new TemplateError(`type ${typeName(value)} doesn't define __round__ method`)
  const precision = integer('round', precisionValue)
  const number = toNumber(value)
  if (method !== 'common') {
    if (Math.abs(precision) > 400) throw new TemplateError(`round: precision ${precision} is out of range`)
    const factor = 10 ** precision
    return Math[method](Number(number) * factor) / factor
  }
  if (typeof number === 'number') return rounded(number, precision)
  if (precision >= 0) return number
  if (precision < -4300) return 0n
  const unit = 10n ** BigInt(-precision)
  const half = unit / 2n
  const low = number - (((number % unit) + unit) % unit)
  const rest = number - low
  return rest > half || (rest === half && (low / unit) % 2n !== 0n) ? low + unit : low
}

/** Cuts a text that is too long. A value whose length fits stays as it is, whatever its type. */
function truncate(value: Value, args: Arguments, { budget }: Runtime): Value {
  const [length = 255n, killWords = false, end = '...', leeway = null] = args.bind('truncate', [
    ...['length', 'killwords', 'end', 'leeway'],
  ])
  const mark = textArgument('truncate', end)
  const max = integer('truncate', length)
  const slack = leeway === null ? 5 : integer('truncate', leeway)
  if (max < lengthOf(mark))
    throw new TemplateError(`expected length >= ${lengthOf(mark)}, got ${max}`, 'AssertionError')
  if (slack < 0) throw new TemplateError(`expected leeway >= 0, got ${slack}`, 'AssertionError')
  if (lengthOfValue(value, budget) <= max + slack) return value
  const text = textArgument('truncate', value)
  budget.make(text.length)
  const points = pointsOf(text)
  const kept = points.slice(0, max - lengthOf(mark))
  const cut = typeof kept === 'string' ? kept : kept.join('')
  const space = isTruthy(killWords) ? -1 : cut.lastIndexOf(' ')
  return (space < 0 ? cut : cut.slice(0, space)) + mark
}

/** Makes a text lower case, for an order that ignores case. */
export function ignoreCase(value: Value): Value {
  return typeof value === 'string' ? value.toLowerCase() : value
}
