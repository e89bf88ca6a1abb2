// Formats texts as Python's str.format() does, with its format specifications.

import { getAttribute, getItem } from './attributes.ts'
import type { Budget } from './budget.ts'
import { floatAs, integerAs } from './format-number.ts'
import { isNumber, toNumber } from './numbers.ts'
import { floatText, repr, toText } from './print.ts'
import { lengthOf, pointsOf } from './text.ts'
import { type Arguments, TemplateError, typeName, type Value } from './values.ts'

/** Fills the fields in a text. @throws TemplateError */
export function formatBraces(text: string, args: Arguments, budget: Budget): string {
  const fields = new Fields(args, budget)
  return fields.format(text, 2)
}

class Fields {
  private readonly args: Arguments
  private readonly budget: Budget
  private next = 0
  private isManual: boolean | undefined

  constructor(args: Arguments, budget: Budget) {
    this.args = args
    this.budget = budget
  }

  /** @param depth how deep specifications may hold fields themselves */
  format(text: string, depth: number): string {
    if (depth === 0) throw new TemplateError('Max string recursion exceeded', 'ValueError')
    this.budget.read(text.length)
    let made = ''
    for (let at = 0; at < text.length; ) {
      const c = text[at]!
      if (c !== '{' && c !== '}') {
        const rest = text.slice(at)
        const end = rest.search(/[{}]/)
        made += end < 0 ? rest : rest.slice(0, end)
        at = end < 0 ? text.length : at + end
        this.budget.read(rest.length)
      } else if (text[at + 1] === c) {
        made += c
        at += 2
      } else if (c === '}') throw new TemplateError("Single '}' encountered in format string", 'ValueError')
      else {
        const end = closing(text, at)
        made += this.field(text.slice(at + 1, end), depth)
        at = end + 1
      }
      this.budget.make(1)
    }
    this.budget.make(made.length)
    return made
  }

  private field(field: string, depth: number): string {
    const { name, conversion, spec } = partsOf(field)
    const value = this.value(name)
    const converted =
      conversion === undefined
        ? value
        : conversion === 'r'
          ? repr(value, this.budget)
          : conversion === 's'
            ? toText(value, this.budget)
            : undefined
    if (converted === undefined)
      throw new TemplateError(`Unknown conversion specifier ${conversion}`, 'ValueError')
    return formatted(converted, spec.includes('{') ? this.format(spec, depth - 1) : spec, this.budget)
  }

  private value(name: string): Value {
    const [first] = name.match(/^[^.[]*/)!
    let value = this.argument(first)
    for (const [, attribute, item] of name.slice(first.length).matchAll(/\.([^.[]*)|\[([^\]]*)\]/g)) {
      if (attribute !== undefined) value = getAttribute(value, attribute, this.budget)
      else value = getItem(value, /^\d+$/.test(item!) ? BigInt(item!) : item!, this.budget)
    }
    return value
  }

  private argument(name: string): Value {
    const isNumbered = name === '' || /^\d+$/.test(name)
    if (!isNumbered) {
      const value = this.args.keyword.get(name)
      if (value === undefined) throw new TemplateError(`'${name}'`, 'KeyError')
      return value
    }
    const isManual = name !== ''
    if (this.isManual !== undefined && this.isManual !== isManual)
      throw new TemplateError('cannot switch between manual and automatic field numbering', 'ValueError')
    this.isManual = isManual
    const value = this.args.positional[isManual ? Number(name) : this.next++]
    if (value === undefined)
      throw new TemplateError('Replacement index out of range for positional args tuple', 'IndexError')
    return value
  }
}

/** Parses a field `name!conversion:spec`. An index in brackets may hold any characters. */
function partsOf(field: string): { name: string; conversion: string | undefined; spec: string } {
  let end = 0
  for (let isInside = false; end < field.length && (isInside || !/[!:]/.test(field[end]!)); end++)
    isInside = isInside ? field[end] !== ']' : field[end] === '['
  const name = field.slice(0, end)
  const rest = field.slice(end)
  if (!rest.startsWith('!')) return { name, conversion: undefined, spec: rest.slice(1) }
  if (rest.length > 2 && rest[2] !== ':')
    throw new TemplateError("expected ':' after conversion specifier", 'ValueError')
  return { name, conversion: rest.slice(1, 2), spec: rest.slice(3) }
}

function closing(text: string, open: number): number {
  let depth = 0
  for (let i = open; i < text.length; i++) {
    if (text[i] === '{') depth++
    else if (text[i] === '}' && --depth === 0) return i
  }
  throw new TemplateError("expected '}' before end of string", 'ValueError')
}

const specification = /^(?:(.)?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([bcdeEfFgGnosxX%])?$/su

function formatted(value: Value, spec: string, budget: Budget): string {
  if (spec === '') return toText(value, budget)
  const match = spec.match(specification)
  const isPlain = !(typeof value === 'string' || isNumber(value))
  if (isPlain) throw new TemplateError(`unsupported format string passed to ${typeName(value)}.__format__`)
  if (!match) throw new TemplateError(`Invalid format specifier '${spec}'`, 'ValueError')
  const [, fill, align, sign, , alternate, zero, width, group, precisionText, type] = match
  const precision = precisionText === undefined ? undefined : Number(precisionText)
  let text: string
  if (typeof value === 'string') {
    if (type !== undefined && type !== 's')
      throw new TemplateError(`Unknown format code '${type}' for object of type 'str'`, 'ValueError')
    const points = precision === undefined ? value : pointsOf(value).slice(0, precision)
    text = typeof points === 'string' ? points : points.join('')
  } else {
    text = numberText(value, type, precision, alternate !== undefined)
    if (group !== undefined)
      text = text.replace(
        /^(-?)(\d+)/,
        (_, minus, digits) => minus + digits.replace(/\B(?=(\d{3})+$)/g, group),
      )
    if (sign !== undefined && sign !== '-' && !text.startsWith('-')) text = sign + text
  }
  const side = align ?? (typeof value === 'string' ? '<' : zero ? '=' : '>')
  return aligned(text, side, fill ?? (zero ? '0' : ' '), Number(width ?? 0), budget)
}

function numberText(
  value: bigint | number | boolean,
  type: string | undefined,
  precision: number | undefined,
  alternate: boolean,
): string {
  const number = toNumber(value)
  if (type === '%') return `${floatAs(Number(number) * 100, 'f', precision, alternate)}%`
  if (typeof number === 'bigint' && !/[eEfFgG]/.test(type ?? 'd')) {
    if (precision !== undefined)
      throw new TemplateError('Precision not allowed in integer format specifier', 'ValueError')
    if (type === 'c') return String.fromCodePoint(Number(number))
    return integerAs(number, type ?? 'd', alternate)
  }
  if (type !== undefined && /[bcdoxXs]/.test(type))
    throw new TemplateError(
      `Unknown format code '${type}' for object of type '${typeName(value)}'`,
      'ValueError',
    )
  if (type === undefined && precision === undefined) return floatText(Number(number))
  const text = floatAs(Number(number), type === undefined || type === 'n' ? 'g' : type, precision, alternate)
  return type === undefined && /^-?\d+$/.test(text) ? `${text}.0` : text
}

function aligned(text: string, side: string, fill: string, width: number, budget: Budget): string {
  const missing = Math.max(0, width - lengthOf(text))
  budget.make(missing * fill.length)
  if (side === '<') return text + fill.repeat(missing)
  if (side === '>') return fill.repeat(missing) + text
  if (side === '^') return fill.repeat(Math.floor(missing / 2)) + text + fill.repeat(Math.ceil(missing / 2))
  const [head] = text.match(/^[-+ ]?(?:0[xXob])?/)!
  return head + fill.repeat(missing) + text.slice(head.length)
}
