// Iterates over values and counts their items.
import type { Budget } from './budget.ts'
import { Loop } from './loop.ts'
import { lengthOf } from './text.ts'
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

/** Yields the items of a value, each for a step of the budget. @throws TemplateError for what cannot be iterated */
export function* iterate(value: Value, budget: Budget): IterableIterator<Value> {
  const items = iterableOf(value)
  if (items === undefined) throw new TemplateError(`'${typeName(value)}' object is not iterable`)
  for (const item of items) {
    budget.spend(1)
    yield item
  }
}

export function toList(value: Value, budget: Budget): readonly Value[] {
  if (isSequence(value) || value instanceof DictView) {
    budget.spend(value.items.length)
    return value.items
  }
  return [...iterate(value, budget)]
}

export function isIterable(value: Value): boolean {
  return iterableOf(value) !== undefined
}

/** The length of a value. @throws TemplateError for what has none */
export function lengthOfValue(value: Value, budget: Budget): number {
  const length = sizeOf(value, budget)
  if (length === undefined) throw new TemplateError(`object of type '${typeName(value)}' has no len()`)
  return length
}

/** The length of a value; undefined for what has none. */
export function sizeOf(value: Value, budget: Budget): number | undefined {
  if (typeof value === 'string') {
    budget.read(value.length)
    return lengthOf(value)
  }
  if (isSequence(value) || value instanceof DictView) return value.items.length
  if (value instanceof Dict) return value.size
  if (value instanceof Range) return value.length
  if (value instanceof Loop) return value.length
  if (!(value instanceof Undefined)) return undefined
  value.use()
  return 0
}

function iterableOf(value: Value): Iterable<Value> | undefined {
  if (typeof value === 'string' || value instanceof Generator) return value
  if (isSequence(value) || value instanceof DictView) return value.items
  if (value instanceof Dict) return value.keys()
  if (value instanceof Range) return numbers(value)
  if (!(value instanceof Undefined)) return undefined
  value.use()
  return []
}

function* numbers(range: Range): IterableIterator<bigint> {
  for (let i = 0; i < range.length; i++) yield range.at(i)
}
