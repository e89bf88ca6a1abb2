// The errors of files that lie, and of files that are right but do not run.
import { MtLlamaError } from '../errors.ts'

/** @param where the file's name, which begins the message */
export function corrupt(where: string, what: string): MtLlamaError {
  return new MtLlamaError('CHECKPOINT_CORRUPT', `${where}: ${what}`)
}

/** @param where the file's name, which begins the message */
export function unsupported(where: string, what: string): MtLlamaError {
  return new MtLlamaError('CHECKPOINT_UNSUPPORTED', `${where}: ${what}`)
}
