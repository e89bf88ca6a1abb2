// Prints values as Python does: str() and repr().
import type { Budget } from './budget.ts'
import {
  Callable,
  Dict,
  DictView,
  Generator,
  isSequence,
  Macro,
  Namespace,
  Range,
  Tuple,
  Undefined,
  type Value,
} from './values.ts'

/** Prints as str(value) does. */
export function toText(value: Value, budget: Budget): string {
  if (typeof value === 'string') return value
  if (!(value instanceof Undefined)) return repr(value, budget)
  value.use()
  return ''
}

/** Prints as repr(value) does. */
export function repr(value: Value, budget: Budget): string {
  budget.spend(1)
  const all = (items: readonly Value[]) => joined(items.map(item => repr(item, budget)))
  const joined = (parts: string[]) => {
    budget.make(parts.reduce((sum, part) => sum + part.length + 2, 0))
    return parts.join(', ')
  }
  switch (typeof value) {
    case 'string':
      return quoted(value, budget)
    case 'boolean':
      return value ? 'True' : 'False'
    case 'bigint':
      return String(value)
    case 'number':
      return floatText(value)
  }
  if (value === null) return 'None'
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Tuple) {
    return value.items.length === 1 ? `(${repr(value.items[0]!, budget)},)` : `(${all(value.items)})`
  }
  if (isSequence(value)) return `[${all(value.items)}]`
  if (value instanceof Dict) return `{${joined(pairs(value.items(), budget))}}`
  if (value instanceof DictView) return `${value.typeName}([${all(value.items)}])`
  if (value instanceof Range)
    return `range(${value.start}, ${value.stop}${value.step === 1n ? '' : `, ${value.step}`})`
  if (value instanceof Namespace)
    return `<Namespace {${joined([...value.attributes].map(([k, v]) => `${quoted(k, budget)}: ${repr(v, budget)}`))}}>`
  if (value instanceof Macro) return `<Macro '${value.name}'>`
  if (value instanceof Callable) return `<${value.typeName} ${value.name}>`
  return value instanceof Generator ? '<generator object>' : `<${value.typeName}>`
}

function pairs(items: readonly Tuple[], budget: Budget): string[] {
  return items.map(({ items: [key, value] }) => `${repr(key!, budget)}: ${repr(value!, budget)}`)
}

const escapes: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Matches the characters for which str.isprintable() is False, and those that a quoted text escapes. */
const unprintable = /[\\'"\p{C}\p{Zl}\p{Zp}\p{Zs}]/gu

function quoted(text: string, budget: Budget): string {
  budget.make(text.length + 2)
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const inner = text.replace(unprintable, c => {
    if (c === ' ') return c
    if (c === "'" || c === '"') return c === quote ? `\\${c}` : c
    const code = c.codePointAt(0)!
    const hex = (digits: number) => code.toString(16).padStart(digits, '0')
    return escapes[c] ?? (code < 0x100 ? `\\x${hex(2)}` : code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`)
  })
  return quote + inner + quote
}

/** Prints a float as repr() does: the shortest digits that give it back, with an exponent below 1e-4 and from 1e16 on. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (Object.is(value, -0)) return '-0.0'
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string]
  const power = Number(exponent)
  if (value !== 0 && (power < -4 || power >= 16))
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
  const text = power >= 16 || power < -6 ? value.toFixed(Math.max(0, -power)) : String(value)
  return text.includes('.') ? text : `${text}.0`
}
