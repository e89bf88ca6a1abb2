// Defines the names that every template has: range, dict, namespace, cycler, joiner and self.
import type { Budget } from './budget.ts'
import { toList } from './iterate.ts'
import { toText } from './print.ts'
import type { Runtime } from './runtime.ts'
import { pairOf } from './text-filters.ts'
import { integer } from './text-methods.ts'
import {
  type Arguments,
  AttributeObject,
  Callable,
  Dict,
  Namespace,
  Range,
  TemplateError,
  Undefined,
  type Value,
} from './values.ts'

/** Maximum length of a range, as in Jinja's sandbox. */
const maxRange = 100_000

const functions: Record<string, Callable['call']> = {
  range,
  dict: (args, { budget }) => dictOf(args, budget, 'dict'),
  namespace: (args, { budget, environment }) => {
    const namespace = new Namespace()
    for (const [name, value] of dictOf(args, budget, 'dict').texts())
      namespace.set(name, value, environment.isSandboxed)
    return namespace
  },
  cycler: ({ positional }) => new Cycler(positional),
  joiner: (args, { budget }) => {
    const [between = ', '] = args.bind('joiner', ['sep'])
    let isFirst = true
    return new Callable('joiner', () => {
      const text = isFirst ? '' : toText(between, budget)
      isFirst = false
      return text
    })
  },
}

function range(args: Arguments, { environment }: Runtime): Range {
  const [a, b, c] = args
    .bind('range', ['start', 'stop', 'step'], 1)
    .map(value => (value === undefined ? undefined : BigInt(integer('range', value))))
  const step = c ?? 1n
  if (step === 0n) throw new TemplateError('range() arg 3 must not be zero', 'ValueError')
  const made = b === undefined ? new Range(0n, a!, 1n) : new Range(a!, b, step)
  if (environment.isSandboxed && made.length > maxRange)
    throw new TemplateError(
      `Range too big. The sandbox blocks ranges larger than MAX_RANGE (${maxRange}).`,
      'OverflowError',
    )
  return made
}

/** Makes a dict of the arguments that dict() and update() take. @throws TemplateError */
export function dictOf({ positional, keyword }: Arguments, budget: Budget, called: string): Dict {
  const made = new Dict()
  const [source] = positional
  if (positional.length > 1)
    throw new TemplateError(`${called} expected at most 1 argument, got ${positional.length}`)
  if (source instanceof Undefined) throw source.error()
  if (source instanceof Dict) for (const { items } of source.items()) made.set(items[0]!, items[1]!, budget)
  else if (source !== undefined)
    for (const pair of toList(source, budget)) {
      const [key, value] = pairOf(pair, budget)
      made.set(key, value, budget)
    }
  for (const [name, value] of keyword) made.set(name, value, budget)
  return made
}

/** The value of `self`: the blocks of a template. There are none, since `block` is not supported. */
class Blocks extends AttributeObject {
  readonly typeName = 'TemplateReference'

  attribute(): undefined {
    return undefined
  }
}

class Cycler extends AttributeObject {
  readonly typeName = 'Cycler'
  private readonly items: readonly Value[]
  private place = 0

  constructor(items: readonly Value[]) {
    super()
    if (items.length === 0) throw new TemplateError('at least one item has to be provided')
    this.items = items
  }

  attribute(name: string): Value | undefined {
    const current = this.items[this.place]!
    const next = () => {
      const value = this.items[this.place]!
      this.place = (this.place + 1) % this.items.length
      return value
    }
    const reset = () => {
      this.place = 0
      return null
    }
    if (name === 'current') return current
    if (name === 'next' || name === 'reset') return new Callable(name, name === 'next' ? next : reset)
    return undefined
  }
}

export const globals: ReadonlyMap<string, Value> = new Map<string, Value>([
  ...Object.entries(functions).map(([name, call]) => [name, new Callable(name, call)] as const),
  ['self', new Blocks()],
])
