// The tokenizer, for routes that are about it alone.
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { HttpError } from './http-error.ts'
import type { App } from './route.ts'

/** @throws 400 */
export function tokenizerOf({ model }: App): Tokenizer {
  if (model.tokenizer) return model.tokenizer
  throw new HttpError(400, 'the checkpoint has no tokenizer; it takes token ids', { code: 'tokenizer' })
}
