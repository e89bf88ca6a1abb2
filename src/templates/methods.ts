// The methods of Python's texts, dicts, lists, tuples and ranges; those that change their object are in a file of their own.
import type { Budget } from './budget.ts'
import { changingMethodOf } from './changing-methods.ts'
import { equals } from './compare.ts'
import { repr } from './print.ts'
import { itemsOf } from './slice.ts'
import { textMethods } from './text-methods.ts'
import {
  type Arguments,
  Callable,
  Dict,
  DictView,
  isSequence,
  List,
  orElse,
  Range,
  TemplateError,
  Tuple,
  type Value,
} from './values.ts'

/** Gives the method of that name; undefined where there is none. */
export function methodOf(object: Value, name: string, budget: Budget): Value | undefined {
  if (typeof object === 'string') {
    const method = textMethods.get(name)
    return method && new Callable(name, args => method(object, args, budget))
  }
  if (isSequence(object) || object instanceof Range || object instanceof Dict) {
    const call =
      object instanceof Dict ? dictMethod(object, name, budget) : sequenceMethod(object, name, budget)
    if (call) return new Callable(name, call)
    return object instanceof List || object instanceof Dict
      ? changingMethodOf(object, name, budget)
      : undefined
  }
  // What a method of a dict gives is gone through, and nothing else.
  return undefined
}

function dictMethod(dict: Dict, name: string, budget: Budget): ((args: Arguments) => Value) | undefined {
  const view = (kind: DictView['typeName'], items: () => Value[]) => (args: Arguments) => {
    args.bind(name, [])
    return new DictView(kind, items())
  }
  switch (name) {
    case 'items':
      return view('dict_items', () => dict.items())
    case 'keys':
      return view('dict_keys', () => dict.keys())
    case 'values':
      return view('dict_values', () => dict.values())
    case 'get':
      return args => {
        const [key, fallback = null] = args.bind('get', ['key', 'default'], 1)
        return orElse(dict.get(key!, budget), () => fallback)
      }
    case 'copy':
      return args => {
        args.bind(name, [])
        budget.spend(dict.size)
        return dict.copy()
      }
    default:
      return undefined
  }
}

function sequenceMethod(
  sequence: List | Tuple | Range,
  name: string,
  budget: Budget,
): ((args: Arguments) => Value) | undefined {
  const items = () => itemsOf(sequence, budget) as readonly Value[]
  switch (name) {
    case 'count':
      return args => {
        const [wanted] = args.bind('count', ['value'], 1)
        return BigInt(items().filter(item => equals(item, wanted!, budget)).length)
      }
    case 'index':
      return args => {
        const [wanted, start = 0n, stop] = args.bind('index', ['value', 'start', 'stop'], 1)
        const all = items()
        const bound = (value: Value) =>
          Math.max(
            0,
            Number(value as bigint) < 0 ? Number(value as bigint) + all.length : Number(value as bigint),
          )
        const to = stop === undefined ? all.length : bound(stop)
        for (let i = bound(start); i < Math.min(to, all.length); i++)
          if (equals(all[i]!, wanted!, budget)) return BigInt(i)
        throw new TemplateError(
          sequence instanceof Tuple
            ? 'tuple.index(x): x not in tuple'
            : `${repr(wanted!, budget)} is not in ${sequence.typeName}`,
          'ValueError',
        )
      }
    case 'copy':
      return sequence instanceof List
        ? args => {
            args.bind(name, [])
            budget.spend(sequence.items.length)
            return new List([...sequence.items])
          }
        : undefined
    default:
      return undefined
  }
}
