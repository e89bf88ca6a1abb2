// The environment of Jinja that promptsource's templates are written for: a plain one, with zip() and three filters more.

import type { Environment } from '../templates/environment.ts'
import { plainEnvironment } from '../templates/environment.ts'
import { isIterable, iterate, toList } from '../templates/iterate.ts'
import { binary } from '../templates/operators.ts'
import { randomItem } from '../templates/random.ts'
import type { Filter } from '../templates/runtime.ts'
import {
  Callable,
  Dict,
  Generator,
  isTruthy,
  List,
  TemplateError,
  Tuple,
  typeName,
  type Value,
} from '../templates/values.ts'

const choice: Filter = (value, args, runtime) => {
  args.bind('choice', [])
  const item = randomItem(value, runtime)
  if (item === undefined) throw new TemplateError('Cannot choose from an empty sequence', 'IndexError')
  return item
}

const highlight: Filter = (value, args, { budget }) => {
  args.bind('highlight', [])
  return binary('+', binary('+', "<span style='color: #F08080'>", value, budget), '</span>', budget)
}

/** Gives the items that are there most often, in the order in which they come first; None of what is empty. */
const mostFrequent: Filter = (value, args, { budget }) => {
  args.bind('most_frequent', [])
  if (!isTruthy(value)) return null
  const counts = new Dict()
  for (const item of toList(value, budget))
    counts.set(item, ((counts.get(item, budget) ?? 0) as number) + 1, budget)
  const pairs = counts.items().map(({ items }) => items as [Value, number])
  const max = pairs.reduce((most, [, count]) => Math.max(most, count), 0)
  return new List(pairs.filter(([, count]) => count === max).map(([item]) => item))
}

const zip = new Callable(
  'zip',
  ({ positional, keyword }, { budget }) => {
    if (keyword.size > 0) throw new TemplateError('zip() takes no keyword arguments')
    for (const items of positional)
      if (!isIterable(items)) throw new TemplateError(`'${typeName(items)}' object is not iterable`)
    return new Generator(zipped(positional.map(items => iterate(items, budget))), 'zip')
  },
  'type',
)

function* zipped(columns: readonly Iterator<Value>[]): IterableIterator<Value> {
  while (columns.length > 0) {
    const row: Value[] = []
    for (const column of columns) {
      const { value, done } = column.next()
      if (done) return
      row.push(value)
    }
    yield new Tuple(row)
  }
}

export const promptEnvironment: Environment = {
  ...plainEnvironment,
  filters: new Map([
    ...plainEnvironment.filters,
    ['choice', choice],
    ['highlight', highlight],
    ['most_frequent', mostFrequent],
  ]),
  globals: new Map([...plainEnvironment.globals, ['zip', zip]]),
}
