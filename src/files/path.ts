// Checks the name of a file or folder that a caller gives.
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'

/**
 * Takes a text without NUL, at which the system would end the name.
 * @param name the argument's or option's name, for the message
 * @throws INVALID_ARGUMENT
 */
export function checkPath(name: string, value: unknown): string {
  if (typeof value === 'string' && !value.includes('\0')) return value
  const rule = typeof value === 'string' ? ', which holds no NUL' : ''
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    `${name} is ${shown(value)}; expected the name of a folder or file${rule}`,
  )
}
