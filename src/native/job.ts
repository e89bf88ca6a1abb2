// What every native job needs: the word that cancels it, and its errors as ours.

import { type ErrorCode, MtLlamaError, nativeErrorCodes } from '../errors.ts'
import type { Control } from './types.ts'

export function abortedError(signal: AbortSignal): MtLlamaError {
  return new MtLlamaError('ABORTED', 'the call was aborted by its signal', { cause: signal.reason })
}

export function disposedError(): MtLlamaError {
  return new MtLlamaError('DISPOSED', 'the model was disposed; load it again to go on')
}

export function newControl(): Control {
  return new Int32Array(new SharedArrayBuffer(8))
}

/** Asks native to end the job; its promise rejects with ABORTED. */
export function cancel(control: Control): void {
  Atomics.store(control, 0, 1)
}

/** Runs `onAbort` when the signal fires, at once if it has; the function returned stops listening. */
export function onAbort(signal: AbortSignal | undefined, onAbort: (error: MtLlamaError) => void): () => void {
  if (!signal) return () => {}
  const listener = () => onAbort(abortedError(signal))
  if (signal.aborted) listener()
  else signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}

/** Runs native work; its plain errors with a code become MtLlamaErrors. */
export async function nativeJob<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code, message } = error as Error & { code?: ErrorCode }
    if (error instanceof MtLlamaError || !code || !(nativeErrorCodes as readonly string[]).includes(code))
      throw error
    throw new MtLlamaError(code, message, { cause: error })
  }
}

export function isOutOfMemory(error: unknown): error is MtLlamaError {
  return error instanceof MtLlamaError && error.code === 'OUT_OF_MEMORY'
}
