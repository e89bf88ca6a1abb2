// Scores that are no numbers: what they are most likely a sign of.
import { type Message, message } from '../errors.ts'

/** @param dtype of the model. @returns a sentence without its end */
export function notFiniteCause(dtype: string): Message {
  const to = (value: string): Message => message`${{ kind: 'option', name: 'dtype', value }}`
  if (dtype === 'float16')
    return message`Most likely a value has overflowed float16, which ends at 65504: try ${to('bfloat16')} or ${to('float32')}; else the checkpoint is broken`
  if (dtype === 'float32') return message`Most likely the checkpoint is broken`
  return message`Most likely the checkpoint is broken, or a value has overflowed: try ${to('float32')}`
}
