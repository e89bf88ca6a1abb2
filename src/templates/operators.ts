// Computes as Python does: whole numbers of any size apart from floats; texts and lists are joined and repeated.
import type { Budget } from './budget.ts'
import { formatPercent } from './format-percent.ts'
import type { BinaryOperator } from './nodes.ts'
import { isInteger, isNumber, toNumber } from './numbers.ts'
import { isSequence, List, TemplateError, Tuple, typeName, Undefined, type Value } from './values.ts'

/** Applies an operator to two values. @throws TemplateError for types that have no such operator */
export function binary(operator: BinaryOperator, left: Value, right: Value, budget: Budget): Value {
  budget.spend(1)
  for (const value of [left, right]) if (value instanceof Undefined) throw value.error()
  if (isNumber(left) && isNumber(right)) {
    const [a, b] = [toNumber(left), toNumber(right)]
    return typeof a === 'bigint' && typeof b === 'bigint'
      ? integers(operator, a, b, budget)
      : floats(operator, Number(a), Number(b))
  }
  if (operator === '%' && typeof left === 'string') return formatPercent(left, right, budget)
  if (operator === '+') return added(left, right, budget)
  if (operator === '*') {
    if (isRepeated(left) && isInteger(right)) return repeated(left, BigInt(right), budget)
    if (isRepeated(right) && isInteger(left)) return repeated(right, BigInt(left), budget)
    if (isRepeated(left) || isRepeated(right))
      throw new TemplateError(
        `can't multiply sequence by non-int of type '${typeName(isRepeated(left) ? right : left)}'`,
      )
  }
  throw unsupported(operator, left, right)
}

/** Applies a sign to a value. @throws TemplateError */
export function unary(operator: '+' | '-', value: Value): Value {
  if (value instanceof Undefined) throw value.error()
  if (!isNumber(value))
    throw new TemplateError(`bad operand type for unary ${operator}: '${typeName(value)}'`)
  const number = toNumber(value)
  return operator === '-' ? -number : number
}

function added(left: Value, right: Value, budget: Budget): Value {
  if (typeof left === 'string' && typeof right === 'string') {
    budget.concatenate([left.length, right.length])
    return left + right
  }
  if (isSequence(left) && isSequence(right) && left.typeName === right.typeName) {
    budget.spend(left.items.length + right.items.length)
    const items = [...left.items, ...right.items]
    return left instanceof List ? new List(items) : new Tuple(items)
  }
  if (typeof left === 'string')
    throw new TemplateError(`can only concatenate str (not "${typeName(right)}") to str`)
  if (isSequence(left))
    throw new TemplateError(
      `can only concatenate ${left.typeName} (not "${typeName(right)}") to ${left.typeName}`,
    )
  throw unsupported('+', left, right)
}

function unsupported(operator: BinaryOperator, left: Value, right: Value): TemplateError {
  const name = operator === '**' ? '** or pow()' : operator
  return new TemplateError(
    `unsupported operand type(s) for ${name}: '${typeName(left)}' and '${typeName(right)}'`,
  )
}

function isRepeated(value: Value): value is string | List | Tuple {
  return typeof value === 'string' || isSequence(value)
}

function repeated(value: string | List | Tuple, times: bigint, budget: Budget): Value {
  const count = times > 0n ? Number(times) : 0
  if (typeof value === 'string') {
    budget.make(value.length * count)
    return value.repeat(value === '' ? 0 : count)
  }
  budget.spend(value.items.length * count)
  const items = Array.from({ length: value.items.length === 0 ? 0 : count }, () => value.items).flat()
  return value instanceof List ? new List(items) : new Tuple(items)
}

function integers(operator: BinaryOperator, a: bigint, b: bigint, budget: Budget): Value {
  switch (operator) {
    case '+':
    case '-':
      budget.makeInteger(Math.max(bitsOf(a), bitsOf(b)))
      return operator === '+' ? a + b : a - b
    case '*':
      budget.makeInteger(bitsOf(a) + bitsOf(b))
      return a * b
    case '/':
      if (b === 0n) throw new TemplateError('division by zero', 'ZeroDivisionError')
      return quotient(a, b)
    case '//':
    case '%': {
      if (b === 0n) throw new TemplateError('integer division or modulo by zero', 'ZeroDivisionError')
      const remainder = ((a % b) + b) % b
      return operator === '%' ? remainder : (a - remainder) / b
    }
    case '**':
      if (b < 0n) return floats('**', Number(a), Number(b))
      if (a >= -1n && a <= 1n) return b === 0n ? 1n : a === -1n && b % 2n === 0n ? 1n : a
      budget.makeInteger(bitsOf(a) * Number(b))
      return a ** b
  }
}

/** An upper bound of the bits of a whole number. */
function bitsOf(value: bigint): number {
  return (value > -(2n ** 32n) && value < 2n ** 32n ? 8 : value.toString(16).length) * 4
}

/** The float that is nearest to a / b, even where a and b themselves are too large for floats. */
function quotient(a: bigint, b: bigint): number {
  const small = 2n ** 53n
  if (a > -small && a < small && b > -small && b < small) return Number(a) / Number(b)
  const isNegative = a < 0n !== b < 0n
  const [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b]
  // Number() rounds 64 bits of the quotient, of which the last is set where a remainder follows.
  const shift = BigInt(Math.max(0, y.toString(2).length - x.toString(2).length + 64))
  const scaled = x << shift
  const digits = scaled / y
  const rounded = Number(scaled % y === 0n ? digits : digits | 1n)
  return ((isNegative ? -1 : 1) * rounded) / 2 ** Number(shift)
}

function floats(operator: BinaryOperator, a: number, b: number): Value {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '**':
      if (a === 0 && b < 0)
        throw new TemplateError('0.0 cannot be raised to a negative power', 'ZeroDivisionError')
      if (a < 0 && !Number.isInteger(b) && Number.isFinite(b))
        throw new TemplateError('complex numbers are not supported')
      return a === 1 ? 1 : a ** b
  }
  if (b === 0)
    throw new TemplateError(operator === '/' ? 'float division by zero' : 'float modulo', 'ZeroDivisionError')
  if (operator === '/') return a / b
  const remainder = a % b
  const modulo = remainder !== 0 && remainder < 0 !== b < 0 ? remainder + b : remainder
  return operator === '%' ? modulo : Math.floor((a - modulo) / b + 0.5)
}
