// Checks of options that all calls share.
import { inspect } from 'node:util'
import { MtLlamaError, message } from '../errors.ts'

/** @throws INVALID_ARGUMENT naming the choices */
export function checkChoice<T extends string>(name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value
  const expected = choices.map(choice => `'${choice}'`).join(', ')
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${{ kind: 'option', name }} is ${JSON.stringify(value)}; expected one of ${expected}`,
  )
}

/** @throws INVALID_ARGUMENT naming the range */
export function checkInteger(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${{ kind: 'option', name }} is ${value}; expected an integer from ${least} to ${most}`,
  )
}

/** @throws INVALID_ARGUMENT naming the range */
export function checkNumber(name: string, value: number, least: number, most: number): number {
  if (typeof value === 'number' && value >= least && value <= most) return value
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${{ kind: 'option', name }} is ${value}; expected a number from ${least} to ${most}`,
  )
}

/** @throws INVALID_ARGUMENT for anything but an AbortSignal or undefined */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || signal instanceof AbortSignal) return
  const found = inspect(signal, { compact: true, breakLength: Number.POSITIVE_INFINITY }).slice(0, 80)
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${{ kind: 'option', name: 'signal' }} is ${found}; expected an AbortSignal`,
  )
}
