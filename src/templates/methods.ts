// The methods of Python's texts, dicts and lists that change nothing: the sandbox of transformers allows no others.
import type { Budget } from './budget.ts'
import { equals } from './compare.ts'
import { textMethods } from './text-methods.ts'
import {
  type Arguments,
  Callable,
  Dict,
  DictView,
  isSequence,
  orElse,
  Range,
  TemplateError,
  Undefined,
  type Value,
} from './values.ts'

/** Methods that change their object, which the sandbox refuses. */
const forbidden: Record<string, readonly string[]> = {
  dict: ['clear', 'pop', 'popitem', 'setdefault', 'update'],
  list: ['append', 'clear', 'extend', 'insert', 'pop', 'remove', 'reverse', 'sort'],
}

/** Gives the method of that name; undefined where there is none. */
export function methodOf(object: Value, name: string, budget: Budget): Value | undefined {
  if (typeof object === 'string') {
    const method = textMethods.get(name)
    return method && new Callable(name, args => method(object, args, budget))
  }
  if (isSequence(object) || object instanceof Range || object instanceof Dict) {
    if (forbidden[object.typeName]?.includes(name))
      return new Undefined(`access to attribute '${name}' of '${object.typeName}' object is unsafe.`)
    const call =
      object instanceof Dict ? dictMethod(object, name, budget) : sequenceMethod(object, name, budget)
    return call && new Callable(name, call)
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
        return dict
      }
    default:
      return undefined
  }
}

function sequenceMethod(
  sequence: { readonly items: readonly Value[]; readonly typeName: string } | Range,
  name: string,
  budget: Budget,
): ((args: Arguments) => Value) | undefined {
  const items = () =>
    sequence instanceof Range
      ? Array.from({ length: sequence.length }, (_, i) => sequence.at(i))
      : sequence.items
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
        throw new TemplateError(`${sequence.typeName}.index(x): x not in ${sequence.typeName}`)
      }
    case 'copy':
      return sequence.typeName === 'list'
        ? args => {
            args.bind(name, [])
            return sequence as Value
          }
        : undefined
    default:
      return undefined
  }
}
