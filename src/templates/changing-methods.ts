// The methods of Python's lists and dicts that change them. Jinja's sandbox, in which chat templates run, refuses them.
import type { Budget } from './budget.ts'
import { compare, equals } from './compare.ts'
import { dictOf } from './globals.ts'
import { toList } from './iterate.ts'
import { repr } from './print.ts'
import { integer } from './text-methods.ts'
import {
  type Arguments,
  Callable,
  type Dict,
  isTruthy,
  List,
  orElse,
  TemplateError,
  Tuple,
  Undefined,
  type Value,
} from './values.ts'

export class ChangingMethod extends Callable {
  private readonly objectType: string

  constructor(name: string, call: (args: Arguments) => Value, objectType: string) {
    super(name, call)
    this.objectType = objectType
  }

  /** The value that a sandbox gives in the place of this one. */
  refused(): Undefined {
    return new Undefined(
      `access to attribute '${this.name}' of '${this.objectType}' object is unsafe.`,
      'SecurityError',
    )
  }
}

type Method<Changed> = (changed: Changed, args: Arguments, budget: Budget) => Value

/** Gives the method of that name; undefined where there is none. */
export function changingMethodOf(
  object: List | Dict,
  name: string,
  budget: Budget,
): ChangingMethod | undefined {
  const call =
    object instanceof List
      ? bound(listMethods, name, object, budget)
      : bound(dictMethods, name, object, budget)
  return call && new ChangingMethod(name, call, object.typeName)
}

function bound<Changed>(
  methods: ReadonlyMap<string, Method<Changed>>,
  name: string,
  object: Changed,
  budget: Budget,
): ((args: Arguments) => Value) | undefined {
  const method = methods.get(name)
  return method && (args => method(object, args, budget))
}

const listMethods = new Map(
  Object.entries<Method<List>>({
    append: ({ items }, args, budget) => {
      budget.spend(1)
      items.push(args.bind('append', ['object'], 1)[0]!)
      return null
    },
    clear: ({ items }, args) => {
      args.bind('clear', [])
      items.length = 0
      return null
    },
    extend: ({ items }, args, budget) => {
      const [more] = args.bind('extend', ['iterable'], 1)
      for (const item of [...toList(more!, budget)]) items.push(item)
      return null
    },
    insert: ({ items }, args, budget) => {
      const [index, item] = args.bind('insert', ['index', 'object'], 2)
      budget.spend(items.length)
      items.splice(integer('insert', index!), 0, item!)
      return null
    },
    pop: ({ items }, args, budget) => {
      const [index = -1n] = args.bind('pop', ['index'])
      const at = integer('pop', index)
      if (items.length === 0) throw new TemplateError('pop from empty list', 'IndexError')
      if (at < -items.length || at >= items.length)
        throw new TemplateError('pop index out of range', 'IndexError')
      budget.spend(at < 0 ? -at : items.length - at)
      return items.splice(at, 1)[0]!
    },
    remove: ({ items }, args, budget) => {
      const [wanted] = args.bind('remove', ['value'], 1)
      const at = items.findIndex(item => equals(item, wanted!, budget))
      if (at < 0) throw new TemplateError('list.remove(x): x not in list', 'ValueError')
      items.splice(at, 1)
      return null
    },
    reverse: ({ items }, args, budget) => {
      args.bind('reverse', [])
      budget.spend(items.length)
      items.reverse()
      return null
    },
    sort: ({ items }, { positional, keyword }, budget) => {
      const named = [...keyword.keys()].find(name => name !== 'reverse')
      if (positional.length > 0) throw new TemplateError('sort() takes no positional arguments')
      if (named !== undefined) throw new TemplateError(`sort() got an unexpected keyword argument '${named}'`)
      const isDown = isTruthy(keyword.get('reverse') ?? false)
      items.sort((a, b) => (isDown ? compare(b, a, '<', budget) : compare(a, b, '<', budget)))
      return null
    },
  }),
)

const dictMethods = new Map(
  Object.entries<Method<Dict>>({
    clear: (dict, args) => {
      args.bind('clear', [])
      dict.clear()
      return null
    },
    pop: (dict, args, budget) => {
      const [key, fallback] = args.bind('pop', ['key', 'default'], 1)
      const value = dict.get(key!, budget)
      dict.delete(key!, budget)
      const found = value === undefined ? fallback : value
      if (found === undefined) throw new TemplateError(repr(key!, budget), 'KeyError')
      return found
    },
    popitem: (dict, args, budget) => {
      args.bind('popitem', [])
      budget.spend(dict.size)
      const last = dict.items().at(-1)
      if (!last) throw new TemplateError("'popitem(): dictionary is empty'", 'KeyError')
      dict.delete(last.items[0]!, budget)
      return new Tuple([last.items[0]!, last.items[1]!])
    },
    setdefault: (dict, args, budget) => {
      const [key, fallback = null] = args.bind('setdefault', ['key', 'default'], 1)
      return orElse(dict.get(key!, budget), () => {
        dict.set(key!, fallback, budget)
        return fallback
      })
    },
    update: (dict, args, budget) => {
      for (const { items } of dictOf(args, budget, 'update').items()) dict.set(items[0]!, items[1]!, budget)
      return null
    },
  }),
)
