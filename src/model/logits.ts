// A call of logits(): checked, cancelled by its signal and where the model is disposed of.
import { checkOptions, signalOption, signalOptionNames } from '../calls/options.ts'
import { readIds } from '../calls/text.ts'
import { MtLlamaError } from '../errors.ts'
import { cancel, disposedError, nativeJob, newControl, onAbort } from '../native/job.ts'
import type { NativeModel } from '../native/types.ts'

/**
 * @param closing fires when the model is disposed of
 * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH, OUT_OF_MEMORY, ABORTED, DISPOSED
 */
export async function logits(
  native: Pick<NativeModel, 'logits'>,
  vocabSize: number,
  closing: AbortSignal,
  ids: ArrayLike<number | bigint>,
  options: { signal?: AbortSignal },
): Promise<Float32Array> {
  if (closing.aborted) throw disposedError()
  checkOptions(options, signalOptionNames)
  const signal = signalOption(options)
  const own = readIds(ids, 'the sequence', vocabSize)
  if (own.length === 0)
    throw new MtLlamaError('INVALID_ARGUMENT', 'the sequence is empty; expected at least one token id')
  const control = newControl()
  let stopListening = () => {}
  try {
    const ended = new Promise<never>((_, reject) => {
      const end = (error: MtLlamaError) => {
        cancel(control)
        reject(error)
      }
      const stops = [onAbort(closing, () => end(disposedError())), onAbort(signal, end)]
      stopListening = () => {
        for (const stop of stops) stop()
      }
    })
    return await Promise.race([nativeJob(() => native.logits(own, control)), ended])
  } finally {
    stopListening()
  }
}
