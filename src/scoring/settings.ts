// Reads the options of a call, checked, with their defaults.
import { inspect } from 'node:util'
import { MtLlamaError, message } from '../errors.ts'
import type { EncodeSettings } from './encode.ts'
import type { ScoreOptions, TooLong } from './request.ts'

const boundaries = ['joint', 'harness', 'separate'] as const
const policies = ['error', 'truncate-left', 'truncate-right', 'skip'] as const

export function encodeSettings(
  options: Pick<ScoreOptions, 'boundary' | 'addBos' | 'parseSpecial' | 'tooLong'>,
): EncodeSettings {
  const { boundary = 'joint', addBos, parseSpecial = true, tooLong = 'error' } = options
  return {
    boundary: checkChoice('boundary', boundary, boundaries),
    ...{ addBos, parseSpecial },
    tooLong: checkChoice<TooLong>('tooLong', tooLong, policies),
  }
}

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
