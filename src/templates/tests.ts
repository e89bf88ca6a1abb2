// Lists all tests by name: what may follow `is`.

import { compare, contains, equals } from './compare.ts'
import { isIterable, sizeOf } from './iterate.ts'
import { Loop } from './loop.ts'
import { isInteger, isNumber } from './numbers.ts'
import { binary } from './operators.ts'
import { toText } from './print.ts'
import type { Test } from './runtime.ts'
import { textMethods } from './text-methods.ts'
import { Arguments, Callable, Dict, DictView, isTruthy, Undefined, type Value } from './values.ts'

const plain =
  (test: (value: Value) => boolean): Test =>
  (value, args) => {
    args.bind('test', [])
    return test(value)
  }

const against =
  (test: (value: Value, other: Value, budget: Parameters<Test>[2]['budget']) => boolean): Test =>
  (value, args, { budget }) =>
    test(value, args.bind('test', ['other'], 1)[0]!, budget)

const eq = against(equals)
const ne = against((a, b, budget) => !equals(a, b, budget))
const lt = against((a, b, budget) => compare(a, b, '<', budget) < 0)
const le = against((a, b, budget) => compare(a, b, '<=', budget) <= 0)
const gt = against((a, b, budget) => compare(a, b, '>', budget) > 0)
const ge = against((a, b, budget) => compare(a, b, '>=', budget) >= 0)

const divides = against((value, by, budget) => isZero(binary('%', value, by, budget)))

export const tests: ReadonlyMap<string, Test> = new Map(
  Object.entries<Test>({
    ...{ '==': eq, eq, equalto: eq, '!=': ne, ne },
    ...{ '<': lt, lt, lessthan: lt, '<=': le, le },
    ...{ '>': gt, gt, greaterthan: gt, '>=': ge, ge },
    boolean: plain(value => typeof value === 'boolean'),
    callable: plain(
      value => value instanceof Callable || value instanceof Undefined || value instanceof Loop,
    ),
    defined: plain(value => !(value instanceof Undefined)),
    divisibleby: divides,
    escaped: plain(() => false),
    even: (value, args, runtime) => {
      args.bind('test', [])
      return divides(value, new Arguments([2n]), runtime)
    },
    false: plain(value => value === false),
    filter: (value, _, runtime) => has(() => runtime.filter(toText(value, runtime.budget))),
    float: plain(value => typeof value === 'number'),
    in: against((value, container, budget) => contains(container, value, budget)),
    integer: plain(value => typeof value === 'bigint'),
    iterable: plain(value => isIterable(value) || value instanceof Loop),
    lower: (value, args, { budget }) =>
      isTruthy(textMethods.get('islower')!(toText(value, budget), args, budget)),
    mapping: plain(value => value instanceof Dict),
    none: plain(value => value === null),
    number: plain(isNumber),
    odd: (value, args, { budget }) => {
      args.bind('test', [])
      return equals(binary('%', value, 2n, budget), 1n, budget)
    },
    sameas: against((a, b) => a === b),
    sequence: (value, args, { budget }) => {
      args.bind('test', [])
      return sizeOf(value, budget) !== undefined && !(value instanceof DictView || value instanceof Loop)
    },
    string: plain(value => typeof value === 'string'),
    test: (value, _, runtime) => has(() => runtime.test(toText(value, runtime.budget))),
    true: plain(value => value === true),
    undefined: plain(value => value instanceof Undefined),
    upper: (value, args, { budget }) =>
      isTruthy(textMethods.get('isupper')!(toText(value, budget), args, budget)),
  }),
)

function isZero(value: Value): boolean {
  return isInteger(value) ? BigInt(value) === 0n : value === 0
}

function has(look: () => unknown): boolean {
  try {
    look()
    return true
  } catch {
    return false
  }
}
