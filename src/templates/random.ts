// The filter random of Jinja, and Python's random.choice() behind it. The numbers come from whoever renders.
import { getItem } from './attributes.ts'
import { lengthOfValue } from './iterate.ts'
import { repr } from './print.ts'
import type { Filter, Runtime } from './runtime.ts'
import { Dict, TemplateError, Undefined, type Value } from './values.ts'

export const random: Filter = (value, args, runtime) => {
  args.bind('random', [])
  return randomItem(value, runtime) ?? new Undefined('No random item, sequence was empty.')
}

/** Takes an item as random.choice(value) does; undefined where there is none. @throws TemplateError for what has no length */
export function randomItem(value: Value, { budget, draw }: Runtime): Value | undefined {
  const length = lengthOfValue(value, budget)
  if (length === 0) return undefined
  const index = BigInt(draw(length))
  const item = getItem(value, index, budget)
  // The items of a dict are asked for by the number as a key.
  if (item instanceof Undefined && value instanceof Dict)
    throw new TemplateError(repr(index, budget), 'KeyError')
  return item
}
