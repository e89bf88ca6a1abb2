// Scores that are no numbers: what they are a sign of, and who lets them pass.
import { type Message, MtLlamaError, message } from '../errors.ts'
import type { SampleRecord } from './results.ts'

/** Whether the model gave NaN or an infinity for this sample. */
export function isNotFinite(record: SampleRecord): boolean {
  return 'choices' in record ? record.logLikelihoods.includes(null) : record.notFinite === true
}

/**
 * @param sample 'COPA, sample 3 ("2")'
 * @param dtype of the model
 */
export function notFiniteError(record: SampleRecord, sample: string, dtype: string): MtLlamaError {
  const what =
    'choices' in record
      ? `the log-likelihood of choice ${record.logLikelihoods.indexOf(null) + 1}`
      : 'the log-probability of a generated token'
  return new MtLlamaError(
    'SCORE_NOT_FINITE',
    message`${sample}: ${what} is NaN or infinite. ${cause(dtype)}; ${{ kind: 'option', name: 'allowNan' }} counts such samples as wrong and goes on.`,
  )
}

function cause(dtype: string): Message {
  const to = (value: string): Message => message`${{ kind: 'option', name: 'dtype', value }}`
  if (dtype === 'float16')
    return message`Most likely a value has overflowed float16, which ends at 65504: try ${to('bfloat16')} or ${to('float32')}; else the checkpoint is broken`
  if (dtype === 'float32') return message`Most likely the checkpoint is broken`
  return message`Most likely the checkpoint is broken, or a value has overflowed: try ${to('float32')}`
}
