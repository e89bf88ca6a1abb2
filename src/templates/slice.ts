// Takes slices of texts, lists, tuples and ranges: `value[start:stop:step]`.
import type { Budget } from './budget.ts'
import { isInteger } from './numbers.ts'
import { pointsOf } from './text.ts'
import {
  Dict,
  isSequence,
  List,
  Range,
  TemplateError,
  TemplateObject,
  Tuple,
  typeName,
  type Value,
} from './values.ts'

type Sliceable = string | List | Tuple | Range

export function isSliceable(value: Value): value is Sliceable {
  return typeof value === 'string' || isSequence(value) || value instanceof Range
}

/** The items that a slice counts: code points of a text. */
export function itemsOf(object: Sliceable, budget: Budget): string | readonly Value[] {
  if (typeof object === 'string') {
    budget.read(object.length)
    return pointsOf(object)
  }
  if (!(object instanceof Range)) return object.items
  budget.spend(object.length)
  return Array.from({ length: object.length }, (_, i) => object.at(i))
}

/** The bounds of a slice, undefined where they are left out. */
export class Slice extends TemplateObject {
  readonly typeName = 'slice'
  private readonly parts: readonly (Value | undefined)[]

  constructor(parts: readonly (Value | undefined)[]) {
    super()
    this.parts = parts
  }

  /** Takes the slice of a value. @throws TemplateError */
  of(object: Value, budget: Budget): Value {
    if (object instanceof Dict) throw new TemplateError("unhashable type: 'slice'")
    if (!isSliceable(object)) throw new TemplateError(`'${typeName(object)}' object is not subscriptable`)
    const items = itemsOf(object, budget)
    const { from, to, step } = this.bounds(items.length)
    if (object instanceof Range) return new Range(object.at(from), object.at(to), object.step * BigInt(step))
    const count = Math.max(0, Math.ceil((to - from) / step))
    if (typeof object === 'string') budget.make(count)
    else budget.spend(count)
    if (step === 1 && typeof items === 'string') return items.slice(from, from + count)
    const taken = Array.from({ length: count }, (_, i) => items[from + i * step]!)
    if (typeof object === 'string') return taken.join('')
    return object instanceof Tuple ? new Tuple(taken) : new List(taken)
  }

  private bounds(length: number): { from: number; to: number; step: number } {
    const [start, stop, step = 1] = this.parts.map(part => {
      if (part === undefined || part === null) return undefined
      if (isInteger(part)) return Number(part)
      throw new TemplateError('slice indices must be integers or None or have an __index__ method')
    })
    if (step === 0) throw new TemplateError('slice step cannot be zero', 'ValueError')
    const limit = (value: number) => {
      const place = value < 0 ? value + length : value
      return step > 0 ? Math.min(Math.max(place, 0), length) : Math.min(Math.max(place, -1), length - 1)
    }
    const from = start === undefined ? (step > 0 ? 0 : length - 1) : limit(start)
    const to = stop === undefined ? (step > 0 ? length : -1) : limit(stop)
    return { from, to, step }
  }
}
