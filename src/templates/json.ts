// Writes JSON as Python's json.dumps() does, with the options of the filter tojson of chat templates.
import type { Budget } from './budget.ts'
import { compare } from './compare.ts'
import { floatText } from './print.ts'
import { Dict, isSequence, TemplateError, typeName, type Value } from './values.ts'

export interface JsonOptions {
  ensureAscii: boolean
  /** The text before each line, once for each level; null writes all in one line. */
  indent: string | null
  separators: [between: string, afterKey: string]
  sortKeys: boolean
}

/** Writes a value. @throws TemplateError for what JSON does not know */
export function toJson(value: Value, options: JsonOptions, budget: Budget): string {
  const text = written(value, options, '\n', budget)
  budget.make(text.length)
  return text
}

function written(value: Value, options: JsonOptions, line: string, budget: Budget): string {
  budget.spend(1)
  if (value === null) return 'null'
  switch (typeof value) {
    case 'string':
      return quoted(value, options, budget)
    case 'boolean':
    case 'bigint':
      return String(value)
    case 'number':
      return Number.isNaN(value)
        ? 'NaN'
        : Number.isFinite(value)
          ? floatText(value)
          : value > 0
            ? 'Infinity'
            : '-Infinity'
  }
  const inner = line + (options.indent ?? '')
  const group = (open: string, parts: string[], close: string) => {
    if (parts.length === 0) return open + close
    const [start, between, end] =
      options.indent === null ? ['', options.separators[0], ''] : [inner, options.separators[0] + inner, line]
    budget.make(parts.reduce((sum, part) => sum + part.length + between.length, start.length + end.length))
    return open + start + parts.join(between) + end + close
  }
  if (isSequence(value))
    return group(
      '[',
      value.items.map(item => written(item, options, inner, budget)),
      ']',
    )
  if (value instanceof Dict) {
    const items = value.items().map(({ items: [key, item] }) => [key!, item!] as const)
    if (options.sortKeys) items.sort(([a], [b]) => compare(a, b, '<', budget))
    const pairs = items.map(
      ([key, item]) =>
        quoted(keyText(key), options, budget) + options.separators[1] + written(item, options, inner, budget),
    )
    return group('{', pairs, '}')
  }
  throw new TemplateError(`Object of type ${typeName(value)} is not JSON serializable`)
}

function keyText(key: Value): string {
  switch (typeof key) {
    case 'string':
      return key
    case 'boolean':
    case 'bigint':
      return String(key)
    case 'number':
      return floatText(key)
  }
  if (key === null) return 'null'
  throw new TemplateError(`keys must be str, int, float, bool or None, not ${typeName(key)}`)
}

const notPlainAscii = /["\\]|[^ -~]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped
const control = /["\\\0-\x1f]/g

const escapes: Record<string, string> = {
  ...{ '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b', '\f': '\\f' },
}

function quoted(text: string, { ensureAscii }: JsonOptions, budget: Budget): string {
  budget.make(text.length + 2)
  const escaped = text.replace(
    ensureAscii ? notPlainAscii : control,
    c => escapes[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `"${escaped}"`
}
