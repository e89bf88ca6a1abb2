// The methods of Python's str.

import { pythonSpace } from '../data/white-space.ts'
import type { Budget } from './budget.ts'
import { formatBraces } from './format-braces.ts'
import { toList } from './iterate.ts'
import { isInteger } from './numbers.ts'
import {
  capitalize,
  find,
  findAll,
  findAllRight,
  lengthOf,
  pointsOf,
  replace,
  splitLines,
  splitWords,
  splitWordsRight,
  strip,
  title,
} from './text.ts'
import { type Arguments, List, TemplateError, Tuple, typeName, Undefined, type Value } from './values.ts'

type Method = (text: string, args: Arguments, budget: Budget) => Value

const infinity = Number.POSITIVE_INFINITY

/** Makes a test that holds for a text which is not empty and has only characters of a class. */
const all = (pattern: string): Method => {
  const whole = new RegExp(`^(?:${pattern})+$`, 'u')
  return (text, args, budget) => {
    args.bind('is...', [])
    budget.read(text.length)
    return whole.test(text)
  }
}

const mapped =
  (change: (text: string) => string): Method =>
  (text, args, budget) => {
    args.bind('str method', [])
    budget.make(text.length)
    return change(text)
  }

export const textMethods: ReadonlyMap<string, Method> = new Map(
  Object.entries<Method>({
    capitalize: mapped(capitalize),
    casefold: mapped(text => text.replaceAll('ß', 'ss').replaceAll('ς', 'σ').toLowerCase()),
    center: (text, args, budget) => padded('center', text, args, budget),
    count: (text, args, budget) => {
      const { part, start, end } = searched('count', text, args, budget)
      const within = text.slice(start, end)
      if (part === '') return BigInt(lengthOf(within) + 1)
      return BigInt(findAll(within, part, infinity, budget).length)
    },
    endswith: (text, args, budget) => {
      const { parts, start, end } = affix('endswith', text, args, budget)
      return parts.some(part => text.slice(start, end).endsWith(part))
    },
    expandtabs: (text, args, budget) => {
      const [size = 8n] = args.bind('expandtabs', ['tabsize'])
      const tab = integer('expandtabs', size)
      let column = 0
      let made = ''
      for (const c of text) {
        const spaces = c === '\t' && tab > 0 ? tab - (column % tab) : 0
        budget.make(spaces + 1)
        made += c === '\t' ? ' '.repeat(spaces) : c
        column = c === '\n' || c === '\r' ? 0 : column + (c === '\t' ? spaces : 1)
      }
      return made
    },
    find: (text, args, budget) => BigInt(place(text, searched('find', text, args, budget), false)),
    format: formatBraces,
    index: (text, args, budget) => found(place(text, searched('index', text, args, budget), false)),
    isalnum: all('[\\p{L}\\p{N}]'),
    isalpha: all('\\p{L}'),
    isascii: (text, args, budget) => text === '' || all('[\\0-\\x7f]')(text, args, budget),
    isdecimal: all('\\p{Nd}'),
    isdigit: all('[\\p{Nd}²³¹⁰⁴-⁹₀-₉]'),
    isidentifier: all('^[\\p{L}_][\\p{L}\\p{N}_]*$'),
    islower: (text, args) => isCase(text, args, /\p{Ll}/u, /[\p{Lu}\p{Lt}]/u),
    isnumeric: all('\\p{N}'),
    isprintable: (text, args, budget) =>
      text === '' || all('[^\\p{C}\\p{Zl}\\p{Zp}\\p{Zs}]| ')(text, args, budget),
    isspace: all(`[${pythonSpace}]`),
    istitle: text => title(text) === text && /[\p{Lu}\p{Lt}]/u.test(text),
    isupper: (text, args) => isCase(text, args, /\p{Lu}/u, /[\p{Ll}\p{Lt}]/u),
    join: (text, args, budget) => {
      const [items] = args.bind('join', ['iterable'], 1)
      const parts = toList(items!, budget).map((item, i) => {
        if (typeof item === 'string') return item
        throw new TemplateError(`sequence item ${i}: expected str instance, ${typeName(item)} found`)
      })
      return joined(parts, text, budget)
    },
    ljust: (text, args, budget) => padded('ljust', text, args, budget),
    lower: mapped(text => text.toLowerCase()),
    lstrip: stripper('left'),
    partition: (text, args, budget) => parted(text, args, budget, false),
    removeprefix: (text, args) => {
      const prefix = textArgument('removeprefix', args.bind('removeprefix', ['prefix'], 1)[0]!)
      return text.startsWith(prefix) ? text.slice(prefix.length) : text
    },
    removesuffix: (text, args) => {
      const suffix = textArgument('removesuffix', args.bind('removesuffix', ['suffix'], 1)[0]!)
      return text.endsWith(suffix) ? text.slice(0, text.length - suffix.length) : text
    },
    replace: (text, args, budget) => {
      const [part, by, count = -1n] = args.bind('replace', ['old', 'new', 'count'], 2)
      const max = integer('replace', count)
      return replace(
        text,
        textArgument('replace', part!),
        textArgument('replace', by!),
        max < 0 ? infinity : max,
        budget,
      )
    },
    rfind: (text, args, budget) => BigInt(place(text, searched('rfind', text, args, budget), true)),
    rindex: (text, args, budget) => found(place(text, searched('rindex', text, args, budget), true)),
    rjust: (text, args, budget) => padded('rjust', text, args, budget),
    rpartition: (text, args, budget) => parted(text, args, budget, true),
    rsplit: (text, args, budget) => split('rsplit', text, args, budget),
    rstrip: stripper('right'),
    split: (text, args, budget) => split('split', text, args, budget),
    splitlines: (text, args, budget) => {
      const [keep = false] = args.bind('splitlines', ['keepends'])
      budget.make(text.length)
      return new List(splitLines(text, Boolean(keep)))
    },
    startswith: (text, args, budget) => {
      const { parts, start, end } = affix('startswith', text, args, budget)
      return parts.some(part => text.slice(start, end).startsWith(part))
    },
    strip: stripper('both'),
    swapcase: mapped(text =>
      Array.from(text, c => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join(''),
    ),
    title: mapped(title),
    upper: mapped(text => text.toUpperCase()),
    zfill: (text, args, budget) => {
      const width = integer('zfill', args.bind('zfill', ['width'], 1)[0]!)
      const missing = Math.max(0, width - lengthOf(text))
      budget.make(text.length + missing)
      const sign = /^[-+]/.test(text) ? text[0]! : ''
      return sign + '0'.repeat(missing) + text.slice(sign.length)
    },
  }),
)

/** Takes an argument as a text. @throws TemplateError */
export function textArgument(method: string, value: Value): string {
  if (typeof value === 'string') return value
  if (value instanceof Undefined) throw value.error()
  throw new TemplateError(`${method}() argument must be str, not ${typeName(value)}`)
}

/** Takes an argument as a whole number. @throws TemplateError */
export function integer(method: string, value: Value): number {
  if (isInteger(value)) return Number(value)
  if (value instanceof Undefined) throw value.error()
  throw new TemplateError(`${method}(): '${typeName(value)}' object cannot be interpreted as an integer`)
}

/** Joins texts with another between them. */
export function joined(parts: readonly string[], between: string, budget: Budget): string {
  const length = parts.reduce((sum, part) => sum + part.length + between.length, 0)
  budget.make(length)
  return parts.join(between)
}

/** Pads a text with white space, or another character, up to a width. */
export function padded(
  side: 'center' | 'ljust' | 'rjust',
  text: string,
  args: Arguments,
  budget: Budget,
): string {
  const [size, fill = ' '] = args.bind(side, ['width', 'fillchar'], 1)
  if (typeof fill !== 'string' || lengthOf(fill) !== 1)
    throw new TemplateError('The fill character must be exactly one character long')
  const width = integer(side, size!)
  const missing = Math.max(0, width - lengthOf(text))
  budget.make(text.length + missing * fill.length)
  const odd = missing & width & 1
  const left = side === 'ljust' ? 0 : side === 'rjust' ? missing : Math.floor(missing / 2) + odd
  return fill.repeat(left) + text + fill.repeat(missing - left)
}

function stripper(side: 'left' | 'right' | 'both'): Method {
  return (text, args, budget) => {
    const [chars = null] = args.bind('strip', ['chars'])
    budget.make(text.length)
    return strip(text, side, chars === null ? undefined : textArgument('strip', chars))
  }
}

interface Search {
  part: string
  start: number
  end: number
}

/** Reads the arguments of find() and the like, with the bounds in UTF-16 units of the text. */
function searched(method: string, text: string, args: Arguments, budget: Budget): Search {
  const [part, start, end] = args.bind(method, ['sub', 'start', 'end'], 1)
  return { part: textArgument(method, part!), ...bounds(text, start, end, budget) }
}

function affix(method: string, text: string, args: Arguments, budget: Budget) {
  const [affixes, start, end] = args.bind(
    method,
    [method === 'endswith' ? 'suffix' : 'prefix', 'start', 'end'],
    1,
  )
  const parts = affixes instanceof Tuple ? affixes.items : [affixes!]
  return {
    parts: parts.map(part => textArgument(method, part)),
    ...bounds(text, start, end, budget),
  }
}

function bounds(text: string, start: Value | undefined, end: Value | undefined, budget: Budget) {
  budget.read(text.length)
  const points = pointsOf(text)
  const unit = (value: Value | undefined, fallback: number) => {
    if (value === undefined || value === null) return fallback
    const index = integer('str method', value)
    const place = Math.min(Math.max(index < 0 ? index + points.length : index, 0), points.length)
    return typeof points === 'string' ? place : points.slice(0, place).join('').length
  }
  return { start: unit(start, 0), end: unit(end, text.length) }
}

/** Finds a part of a text and returns its place in code points; -1 where it is not. */
function place(text: string, { part, start, end }: Search, isLast: boolean): number {
  if (start > end) return -1
  const within = text.slice(start, end)
  let at = find(within, part)
  if (isLast && at >= 0) {
    const reverse = (value: string) => value.split('').reverse().join('')
    at = within.length - part.length - find(reverse(within), reverse(part))
  }
  return at < 0 ? -1 : lengthOf(text.slice(0, start + at))
}

function found(at: number): bigint {
  if (at < 0) throw new TemplateError('substring not found', 'ValueError')
  return BigInt(at)
}

function parted(text: string, args: Arguments, budget: Budget, isLast: boolean): Tuple {
  const part = separator(args.bind('partition', ['sep'], 1)[0]!)
  budget.make(text.length)
  const [at] = isLast ? findAllRight(text, part, 1, budget) : findAll(text, part, 1, budget)
  if (at === undefined) return new Tuple(isLast ? ['', '', text] : [text, '', ''])
  return new Tuple([text.slice(0, at), part, text.slice(at + part.length)])
}

function separator(value: Value): string {
  const text = textArgument('split', value)
  if (text === '') throw new TemplateError('empty separator', 'ValueError')
  return text
}

function split(method: 'split' | 'rsplit', text: string, args: Arguments, budget: Budget): List {
  const [sep = null, count = -1n] = args.bind(method, ['sep', 'maxsplit'])
  const max = integer(method, count) < 0 ? infinity : integer(method, count)
  budget.make(text.length)
  if (sep === null) {
    const words = method === 'split' ? splitWords(text, max) : splitWordsRight(text, max)
    budget.spend(words.length)
    return new List(words)
  }
  const part = separator(sep)
  const places = method === 'split' ? findAll(text, part, max, budget) : findAllRight(text, part, max, budget)
  const starts = [0, ...places.map(at => at + part.length)]
  return new List(starts.map((start, i) => text.slice(start, places[i] ?? text.length)))
}

function isCase(text: string, args: Arguments, wanted: RegExp, other: RegExp): boolean {
  args.bind('is...', [])
  return wanted.test(text) && !other.test(text)
}
