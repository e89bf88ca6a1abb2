// Filters that choose, order and group the items of a value.
import { attributeOf } from './attributes.ts'
import { compare, equals } from './compare.ts'
import { iterate, lengthOfValue, toList } from './iterate.ts'
import { binary } from './operators.ts'
import type { Filter, Runtime } from './runtime.ts'
import { ignoreCase, pathOf } from './text-filters.ts'
import { integer } from './text-methods.ts'
import {
  Arguments,
  Dict,
  Generator,
  isSequence,
  isTruthy,
  List,
  orElse,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

const fallback: Filter = (value, args) => {
  const [other = '', alsoFalse = false] = args.bind('default', ['default_value', 'boolean'])
  return value instanceof Undefined || (isTruthy(alsoFalse) && !isTruthy(value)) ? other : value
}

const length: Filter = (value, args, { budget }) => {
  args.bind('length', [])
  return BigInt(lengthOfValue(value, budget))
}

/** Makes a filter that keeps the items for which a test of the item, or of its attribute, gives `wanted`. */
const chosen =
  (wanted: boolean, byAttribute: boolean): Filter =>
  (value, args, runtime) =>
    new Generator(choose(value, args, runtime, wanted, byAttribute))

export const sequenceFilters: Record<string, Filter> = {
  attr: (value, args, { budget }) => {
    const [name] = args.bind('attr', ['name'], 1)
    if (value instanceof Undefined) throw value.error()
    if (typeof name !== 'string')
      throw new TemplateError(`attribute name must be string, not '${typeName(name!)}'`)
    return orElse(
      attributeOf(value, name, budget),
      () => new Undefined(`'${typeName(value)} object' has no attribute '${name}'`),
    )
  },
  batch: (value, args, { budget }) => {
    const [count, fill = null] = args.bind('batch', ['linecount', 'fill_with'], 1)
    const size = integer('batch', count!)
    const lines: Value[][] = []
    for (const item of iterate(value, budget)) {
      const last = lines.at(-1)
      if (last && last.length !== size) last.push(item)
      else lines.push([item])
    }
    const last = lines.at(-1)
    if (fill !== null && last) {
      budget.spend(Math.max(0, size - last.length))
      while (last.length < size) last.push(fill)
    }
    return new Generator(lines.map(line => new List(line)))
  },
  count: length,
  d: fallback,
  default: fallback,
  dictsort: (value, args, { budget }) => {
    const [sensitive = false, by = 'key', reverse = false] = args.bind('dictsort', [
      ...['case_sensitive', 'by', 'reverse'],
    ])
    if (!(value instanceof Dict))
      throw new TemplateError(`'${typeName(value)} object' has no attribute 'items'`)
    if (by !== 'key' && by !== 'value')
      throw new TemplateError('You can only sort by either "key" or "value"', 'FilterArgumentError')
    const key = (item: Value) => {
      const part = (item as Tuple).items[by === 'key' ? 0 : 1]!
      return isTruthy(sensitive) ? part : ignoreCase(part)
    }
    return new List(sorted(value.items(), key, isTruthy(reverse), budget))
  },
  first: (value, args, { budget }) => {
    args.bind('first', [])
    for (const item of iterate(value, budget)) return item
    return new Undefined('No first item, sequence was empty.')
  },
  groupby: (value, args, { budget }) => {
    const [attribute, other = null, sensitive = false] = args.bind(
      'groupby',
      ['attribute', 'default', 'case_sensitive'],
      1,
    )
    const raw = pathOf(attribute!, budget, other)
    const key = (item: Value) => (isTruthy(sensitive) ? raw(item) : ignoreCase(raw(item)))
    const groups: { key: Value; items: Value[] }[] = []
    for (const item of sorted(toList(value, budget), key, false, budget)) {
      const last = groups.at(-1)
      if (last && equals(last.key, key(item), budget)) last.items.push(item)
      else groups.push({ key: key(item), items: [item] })
    }
    return new List(
      groups.map(({ items }) => new Tuple([raw(items[0]!), new List(items)], ['grouper', 'list'])),
    )
  },
  items: (value, args) => {
    args.bind('items', [])
    return new Generator(pairsOf(value))
  },
  last: (value, args, { budget }) => {
    args.bind('last', [])
    if (value instanceof Generator) throw new TemplateError("'generator' object is not reversible")
    return orElse(toList(value, budget).at(-1), () => new Undefined('No last item, sequence was empty.'))
  },
  length,
  list: (value, args, { budget }) => {
    args.bind('list', [])
    return new List([...iterate(value, budget)])
  },
  map: (value, args, runtime) => new Generator(map(value, args, runtime)),
  max: (value, args, runtime) => extreme('max', value, args, runtime),
  min: (value, args, runtime) => extreme('min', value, args, runtime),
  reject: chosen(false, false),
  rejectattr: chosen(false, true),
  reverse: (value, args, { budget }) => {
    args.bind('reverse', [])
    if (value instanceof Undefined) throw new TemplateError('argument must be iterable')
    const items = [...iterate(value, budget)].reverse()
    if (typeof value !== 'string')
      return isSequence(value) || value instanceof Dict ? new Generator(items, 'reversed') : new List(items)
    budget.make(value.length)
    return items.join('')
  },
  select: chosen(true, false),
  selectattr: chosen(true, true),
  slice: (value, args, { budget }) => {
    const [count, fill = null] = args.bind('slice', ['slices', 'fill_with'], 1)
    const slices = integer('slice', count!)
    if (slices < 1) throw new TemplateError('slice: slices must be above 0')
    const items = toList(value, budget)
    budget.spend(slices)
    const size = Math.floor(items.length / slices)
    const longer = items.length % slices
    const made = Array.from({ length: slices }, (_, i) => {
      const start = i * size + Math.min(i, longer)
      const taken = items.slice(start, start + size + (i < longer ? 1 : 0))
      return new List(fill !== null && i >= longer ? [...taken, fill] : taken)
    })
    return new Generator(made)
  },
  sort: (value, args, { budget }) => {
    const [reverse = false, sensitive = false, attribute = null] = args.bind('sort', [
      ...['reverse', 'case_sensitive', 'attribute'],
    ])
    const fold = (item: Value) => (isTruthy(sensitive) ? item : ignoreCase(item))
    const paths = (typeof attribute === 'string' ? attribute.split(',') : [attribute]).map(path =>
      path === null ? (item: Value) => item : pathOf(path, budget),
    )
    const key = (item: Value) => new List(paths.map(path => fold(path(item))))
    return new List(sorted(toList(value, budget), key, isTruthy(reverse), budget))
  },
  sum: (value, args, { budget }) => {
    const [attribute = null, start = 0n] = args.bind('sum', ['attribute', 'start'])
    const path = attribute === null ? (item: Value) => item : pathOf(attribute, budget)
    if (typeof start === 'string')
      throw new TemplateError("sum() can't sum strings [use ''.join(seq) instead]")
    return toList(value, budget).reduce<Value>((sum, item) => binary('+', sum, path(item), budget), start)
  },
  unique: (value, args, { budget }) => {
    const [sensitive = false, attribute = null] = args.bind('unique', ['case_sensitive', 'attribute'])
    const path = attribute === null ? (item: Value) => item : pathOf(attribute, budget)
    const seen = new Dict()
    const kept = toList(value, budget).filter(item => {
      const key = isTruthy(sensitive) ? path(item) : ignoreCase(path(item))
      if (seen.get(key, budget) !== undefined) return false
      seen.set(key, true, budget)
      return true
    })
    return new Generator(kept)
  },
}

function* pairsOf(value: Value): IterableIterator<Value> {
  if (value instanceof Dict) yield* value.items()
  else if (!(value instanceof Undefined)) throw new TemplateError('Can only get item pairs from a mapping.')
}

/** Sorts items; equal ones keep their order. */
function sorted(
  items: readonly Value[],
  key: (item: Value) => Value,
  reverse: boolean,
  budget: Runtime['budget'],
): Value[] {
  const keyed = items.map(item => ({ item, key: key(item) }))
  keyed.sort((a, b) => (reverse ? compare(b.key, a.key, '<', budget) : compare(a.key, b.key, '<', budget)))
  return keyed.map(({ item }) => item)
}

function extreme(name: 'max' | 'min', value: Value, args: Arguments, { budget }: Runtime): Value {
  const [sensitive = false, attribute = null] = args.bind(name, ['case_sensitive', 'attribute'])
  const path = attribute === null ? (item: Value) => item : pathOf(attribute, budget)
  const key = (item: Value) => (isTruthy(sensitive) ? path(item) : ignoreCase(path(item)))
  let best: Value | undefined
  for (const item of iterate(value, budget)) {
    if (best === undefined) best = item
    else if (
      name === 'min'
        ? compare(key(item), key(best), '<', budget) < 0
        : compare(key(item), key(best), '>', budget) > 0
    )
      best = item
  }
  return orElse(best, () => new Undefined('No aggregated item, sequence was empty.'))
}

function* map(value: Value, args: Arguments, runtime: Runtime): IterableIterator<Value> {
  if (!isTruthy(value)) return
  const { positional, keyword } = args
  let change: (item: Value) => Value
  if (positional.length === 0 && keyword.has('attribute')) {
    for (const name of keyword.keys())
      if (name !== 'attribute' && name !== 'default')
        throw new TemplateError(`Unexpected keyword argument '${name}'`, 'FilterArgumentError')
    change = pathOf(keyword.get('attribute')!, runtime.budget, keyword.get('default') ?? null)
  } else {
    const [name, ...rest] = positional
    if (typeof name !== 'string')
      throw new TemplateError('map requires a filter argument', 'FilterArgumentError')
    const filter = runtime.filter(name)
    change = item => filter(item, new Arguments(rest, keyword), runtime)
  }
  for (const item of iterate(value, runtime.budget)) yield change(item)
}

function* choose(
  value: Value,
  { positional, keyword }: Arguments,
  runtime: Runtime,
  wanted: boolean,
  byAttribute: boolean,
): IterableIterator<Value> {
  if (!isTruthy(value)) return
  const [attribute] = positional
  if (byAttribute && attribute === undefined)
    throw new TemplateError('Missing parameter for attribute name', 'FilterArgumentError')
  const path = byAttribute ? pathOf(attribute!, runtime.budget) : (item: Value) => item
  const [name, ...rest] = positional.slice(byAttribute ? 1 : 0)
  if (name !== undefined && typeof name !== 'string')
    throw new TemplateError(`No test named '${typeName(name)}'.`, 'TemplateRuntimeError')
  const test = name === undefined ? undefined : runtime.test(name)
  const args = new Arguments(rest, keyword)
  for (const item of iterate(value, runtime.budget)) {
    const tested = path(item)
    if ((test ? test(tested, args, runtime) : isTruthy(tested)) === wanted) yield item
  }
}
