// Checks of options that all calls share.
import { shown } from '../data/shown.ts'
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
export function checkInteger(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${{ kind: 'option', name }} is ${value}; expected an integer from ${min} to ${max}`,
  )
}

/** @throws INVALID_ARGUMENT naming the range */
export function checkNumber(name: string, value: number, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${{ kind: 'option', name }} is ${value}; expected a number from ${min} to ${max}`,
  )
}

/** @throws INVALID_ARGUMENT for anything but an AbortSignal or undefined */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || signal instanceof AbortSignal) return
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${{ kind: 'option', name: 'signal' }} is ${shown(signal)}; expected an AbortSignal`,
  )
}
