// Recognises samples whose scores are NaN or infinite, and words the error for them.
import { notFiniteCause } from '../calls/not-finite.ts'
import { MtLlamaError, message } from '../errors.ts'
import { isShare } from '../metrics/aggregation.ts'
import type { Form } from '../protocols/protocol.ts'
import type { RankRecord, SampleRecord } from './results.ts'

/** Whether the model gave NaN or an infinity for this sample. */
export function isNotFinite(record: SampleRecord): boolean {
  if (record.kind === 'rank')
    return [...record.logLikelihoods, ...(record.unconditional ?? [])].includes(null)
  return record.kind === 'roll' ? record.logLikelihood === null : record.notFinite === true
}

/** Whether such a sample can count as wrong: a perplexity, which is made of log-likelihoods, has no value for it. */
export function canBeWrong({ aggregations = {} }: Pick<Form, 'aggregations'>): boolean {
  return Object.values(aggregations).every(isShare)
}

/**
 * @param form how the task is asked
 * @param sample 'COPA, sample 3 ("2")'
 * @param dtype the number format that the model runs in
 */
export function notFiniteError(
  record: SampleRecord,
  form: Pick<Form, 'aggregations'>,
  sample: string,
  dtype: string,
): MtLlamaError {
  const what =
    record.kind === 'rank'
      ? choiceWords(record)
      : record.kind === 'roll'
        ? 'the log-likelihood of the text'
        : 'the log-probability of a generated token'
  const allowNan = { kind: 'option', name: 'allowNan' } as const
  const wayOut = canBeWrong(form)
    ? message`${allowNan} counts such samples as wrong and goes on`
    : message`the perplexity of a task has no value with such a sample, whatever ${allowNan} says`
  return new MtLlamaError(
    'SCORE_NOT_FINITE',
    message`${sample}: ${what} is NaN or infinite. ${notFiniteCause(dtype)}; ${wayOut}.`,
  )
}

function choiceWords({ logLikelihoods, unconditional = [] }: RankRecord): string {
  const place = logLikelihoods.indexOf(null)
  return place >= 0
    ? `the log-likelihood of choice ${place + 1}`
    : `the log-likelihood of choice ${unconditional.indexOf(null) + 1} by itself`
}
