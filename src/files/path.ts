// The name of a file or folder as a caller gives it.
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'

/**
 * A text without NUL, at which the system would end the name.
 * @param name of the argument or option, for the message
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
