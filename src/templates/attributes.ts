// Attributes, items and slices of values: what `a.b`, `a['b']` and `a[1:]` give, in the order in which Jinja looks.

import type { Budget } from './budget.ts'
import { methodOf } from './methods.ts'
import { isInteger } from './numbers.ts'
import { pointsOf } from './text.ts'
import {
  AttributeObject,
  Dict,
  isSequence,
  List,
  Macro,
  Namespace,
  orElse,
  Range,
  TemplateError,
  TemplateObject,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

/** The bounds of a slice: what is left out is undefined. */
export class Slice extends TemplateObject {
  readonly typeName = 'slice'
  readonly parts: readonly (Value | undefined)[]

  constructor(parts: readonly (Value | undefined)[]) {
    super()
    this.parts = parts
  }
}

/** `object.name`: the attribute, or else the item. @throws TemplateError for an attribute of what is undefined */
export function getAttribute(object: Value, name: string, budget: Budget): Value {
  if (object instanceof Undefined) throw new TemplateError(object.message)
  return orElse(attributeOf(object, name, budget), () =>
    orElse(itemOf(object, name, budget), () => missing(object, name)),
  )
}

/** `object[index]`: the item, or else the attribute. @throws TemplateError for an item of what is undefined */
export function getItem(object: Value, index: Value, budget: Budget): Value {
  if (object instanceof Undefined) throw new TemplateError(object.message)
  return orElse(itemOf(object, index, budget), () => {
    const attribute = typeof index === 'string' ? attributeOf(object, index, budget) : undefined
    return orElse(attribute, () => missing(object, index))
  })
}

/** An attribute by its name alone, as the filter attr looks for it. */
export function attributeOf(object: Value, name: string, budget: Budget): Value | undefined {
  if (object instanceof Namespace) return object.attributes.get(name)
  if (object instanceof AttributeObject) return object.attribute(name)
  if (object instanceof Macro && name === 'name') return object.name
  if (object instanceof Macro && name === 'arguments') return new Tuple(object.parameters)
  if (object instanceof Tuple && object.names.includes(name)) return object.items[object.names.indexOf(name)]
  return methodOf(object, name, budget)
}

function missing(object: Value, name: Value): Undefined {
  const type = object === null ? 'None' : `${typeName(object)} object`
  return new Undefined(
    typeof name === 'string'
      ? `'${type}' has no attribute '${name}'`
      : `${type} has no element ${typeof name === 'bigint' ? name : typeName(name)}`,
  )
}

function itemOf(object: Value, index: Value, budget: Budget): Value | undefined {
  if (object instanceof Dict) return index instanceof Slice ? undefined : object.get(index)
  if (!(typeof object === 'string' || isSequence(object) || object instanceof Range)) return undefined
  if (index instanceof Slice) return sliceOf(object, index, budget)
  if (!isInteger(index)) return undefined
  const items = itemsOf(object, budget)
  const at = Number(index) < 0 ? Number(index) + items.length : Number(index)
  return items[at]
}

function itemsOf(object: string | List | Tuple | Range, budget: Budget): string | readonly Value[] {
  if (typeof object === 'string') {
    budget.read(object.length)
    return pointsOf(object)
  }
  if (!(object instanceof Range)) return object.items
  budget.spend(object.length)
  return Array.from({ length: object.length }, (_, i) => object.at(i))
}

function sliceOf(object: string | List | Tuple | Range, slice: Slice, budget: Budget): Value | undefined {
  if (slice.parts.some(part => part !== undefined && part !== null && !isInteger(part))) return undefined
  const items = itemsOf(object, budget)
  const numbers = slice.parts.map(part => (isInteger(part ?? null) ? Number(part) : undefined))
  const [start, stop, step = 1] = numbers
  if (step === 0) throw new TemplateError('slice step cannot be zero')
  const { length } = items
  const limit = (value: number) => {
    const place = value < 0 ? value + length : value
    return step > 0 ? Math.min(Math.max(place, 0), length) : Math.min(Math.max(place, -1), length - 1)
  }
  const from = start === undefined ? (step > 0 ? 0 : length - 1) : limit(start)
  const to = stop === undefined ? (step > 0 ? length : -1) : limit(stop)
  if (typeof object === 'string') budget.make(object.length)
  else budget.spend(Math.max(0, Math.abs(to - from)))
  if (step === 1 && typeof items === 'string') return items.slice(from, to)
  const taken: Value[] = []
  for (let i = from; step > 0 ? i < to : i > to; i += step) taken.push(items[i]!)
  if (typeof object === 'string') return taken.join('')
  return object instanceof Tuple ? new Tuple(taken) : new List(taken)
}
