// Looks up attributes, items and slices of values: what `a.b`, `a['b']` and `a[1:]` give, in Jinja's order.

import type { Budget } from './budget.ts'
import { methodOf } from './methods.ts'
import { isInteger } from './numbers.ts'
import { isSliceable, itemsOf, Slice } from './slice.ts'
import {
  AttributeObject,
  Dict,
  Macro,
  Namespace,
  orElse,
  Range,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

/** Gives `object.name`: the attribute, or else the item. @throws TemplateError for an attribute of what is undefined */
export function getAttribute(object: Value, name: string, budget: Budget): Value {
  if (object instanceof Undefined) throw object.error()
  return orElse(attributeOf(object, name, budget), () =>
    orElse(itemOf(object, name, budget), () => missing(object, name)),
  )
}

/** Gives `object[index]`: the item, or else the attribute. @throws TemplateError for an item of what is undefined */
export function getItem(object: Value, index: Value, budget: Budget): Value {
  if (object instanceof Undefined) throw object.error()
  return orElse(itemOf(object, index, budget), () => {
    const attribute = typeof index === 'string' ? attributeOf(object, index, budget) : undefined
    return orElse(attribute, () => missing(object, index))
  })
}

/** Gives an attribute, never an item, as the filter attr does. */
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

/** Gives the value of a key; undefined too for what cannot be one, as Jinja has it. */
function entryOf(dict: Dict, key: Value, budget: Budget): Value | undefined {
  try {
    return dict.get(key, budget)
  } catch (error) {
    if (error instanceof TemplateError) return undefined
    throw error
  }
}

function itemOf(object: Value, index: Value, budget: Budget): Value | undefined {
  if (index instanceof Slice) return index.of(object, budget)
  if (object instanceof Dict) return entryOf(object, index, budget)
  if (!isInteger(index) || !isSliceable(object)) return undefined
  const items = object instanceof Range ? object : itemsOf(object, budget)
  const at = Number(index) < 0 ? Number(index) + items.length : Number(index)
  if (!(items instanceof Range)) return items[at]
  return at >= 0 && at < items.length ? items.at(at) : undefined
}
