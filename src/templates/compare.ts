// Compares values as Python does: equality, order and membership.
import type { Budget } from './budget.ts'
import { toList } from './iterate.ts'
import { isNumber, toNumber } from './numbers.ts'
import { find } from './text.ts'
import {
  Dict,
  DictView,
  Generator,
  isSequence,
  Range,
  TemplateError,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

export function equals(a: Value, b: Value, budget: Budget): boolean {
  budget.spend(1)
  if (a === b) return true
  if (typeof a === 'string' && typeof b === 'string') {
    budget.read(Math.min(a.length, b.length))
    return a === b
  }
  // biome-ignore lint/suspicious/noDoubleEquals: an int equals the float of its value, and == compares the two exactly
  if (isNumber(a) && isNumber(b)) return toNumber(a) == toNumber(b)
  for (const value of [a, b]) if (value instanceof Undefined) value.use()
  if (a instanceof Undefined) return b instanceof Undefined
  if (isSequence(a) && isSequence(b)) return a.typeName === b.typeName && itemsEqual(a.items, b.items, budget)
  if (a instanceof Dict && b instanceof Dict) {
    if (a.size !== b.size) return false
    return a.items().every(({ items: [key, value] }) => {
      const other = b.get(key!, budget)
      return other !== undefined && equals(value!, other, budget)
    })
  }
  if (a instanceof Range && b instanceof Range)
    return (
      a.length === b.length &&
      (a.length === 0 || (a.start === b.start && (a.length === 1 || a.step === b.step)))
    )
  return false
}

function itemsEqual(a: readonly Value[], b: readonly Value[], budget: Budget): boolean {
  return a.length === b.length && a.every((item, i) => equals(item, b[i]!, budget))
}

/** Gives a negative number if a comes before b, 0 if neither comes first, and NaN if one is NaN. @throws TemplateError */
export function compare(a: Value, b: Value, operator: string, budget: Budget): number {
  budget.spend(1)
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [toNumber(a), toNumber(b)]
    return x < y ? -1 : x > y ? 1 : Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : 0
  }
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b, budget)
  if (isSequence(a) && isSequence(b) && a.typeName === b.typeName) {
    for (const [i, item] of a.items.entries()) {
      const other = b.items[i]
      if (other === undefined) return 1
      if (!equals(item, other, budget)) return compare(item, other, operator, budget)
    }
    return a.items.length - b.items.length
  }
  for (const value of [a, b]) if (value instanceof Undefined) throw value.error()
  throw new TemplateError(
    `'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`,
  )
}

/** Compares two texts by their code points: surrogates come after all other units of 16 bits. */
function compareTexts(a: string, b: string, budget: Budget): number {
  const length = Math.min(a.length, b.length)
  budget.read(length)
  if (a === b) return 0
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a.codePointAt(i)! - b.codePointAt(i)!
  return a.length - b.length
}

/** Evaluates `item in container`. @throws TemplateError */
export function contains(container: Value, item: Value, budget: Budget): boolean {
  if (typeof container === 'string') {
    if (typeof item !== 'string')
      throw new TemplateError(`'in <string>' requires string as left operand, not ${typeName(item)}`)
    budget.read(container.length + item.length)
    return find(container, item) >= 0
  }
  if (container instanceof Dict) return container.get(item, budget) !== undefined
  if (
    isSequence(container) ||
    container instanceof DictView ||
    container instanceof Range ||
    container instanceof Generator ||
    container instanceof Undefined
  )
    return toList(container, budget).some(other => equals(item, other, budget))
  throw new TemplateError(`argument of type '${typeName(container)}' is not iterable`)
}
