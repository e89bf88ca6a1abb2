// What every native job needs: the word that cancels it, and its errors as ours.
import { setMaxListeners } from 'node:events'
import { type ErrorCode, MtLlamaError, nativeErrorCodes } from '../errors.ts'
import type { Control, NativeModel } from './types.ts'

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

/**
 * Runs `onAbort` when the signal fires, at once if it has; the function returned stops listening. However many listen to
 * a signal this way, it has no listener by that.
 */
export function onAbort(signal: AbortSignal | undefined, onAbort: (error: MtLlamaError) => void): () => void {
  if (!signal) return () => {}
  const listener = () => onAbort(abortedError(signal))
  if (signal.aborted) {
    listener()
    return () => {}
  }
  const follower = followerOf(signal)
  follower.addEventListener('abort', listener, { once: true })
  return () => follower.removeEventListener('abort', listener)
}

/** The follower of each signal that was given: it fires when that one does. */
const followers = new WeakMap<AbortSignal, AbortSignal>()

/**
 * All listeners are put on a signal of our own: Node warns of a leak where the caller's has more than ten, and Node 20
 * keeps a little memory for each signal that AbortSignal.any() makes of one that lives long.
 */
function followerOf(signal: AbortSignal): AbortSignal {
  let follower = followers.get(signal)
  if (!follower) {
    follower = AbortSignal.any([signal])
    setMaxListeners(0, follower)
    followers.set(signal, follower)
  }
  return follower
}

/** Runs native work; its plain errors with a code become MtLlamaErrors. */
export async function nativeJob<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw typedError(error)
  }
}

/** nativeJob() of work that the signal cancels. @throws ABORTED */
export async function abortableJob<T>(
  signal: AbortSignal | undefined,
  work: (control: Control) => Promise<T>,
): Promise<T> {
  const control = newControl()
  const job = nativeJob(() => work(control))
  const stop = onAbort(signal, () => cancel(control))
  return job.finally(stop)
}

/** Calls a function of the addon that answers at once; its plain errors with a code become MtLlamaErrors. */
export function nativeCall<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw typedError(error)
  }
}

function typedError(error: unknown): unknown {
  const { code, message } = error as Error & { code?: ErrorCode }
  const isNative = code !== undefined && (nativeErrorCodes as readonly string[]).includes(code)
  return isNative && !(error instanceof MtLlamaError)
    ? new MtLlamaError(code, message, { cause: error })
    : error
}

export function isOutOfMemory(error: unknown): error is MtLlamaError {
  return error instanceof MtLlamaError && error.code === 'OUT_OF_MEMORY'
}

/** Disposes of a model and resolves once its memory is free; at once where there is none for telling when. */
export async function freeModel(native: Pick<NativeModel, 'dispose'>): Promise<void> {
  try {
    await nativeJob(() => native.dispose())
  } catch (error) {
    // The weights go all the same.
    if (!isOutOfMemory(error)) throw error
  }
}

/** What cannot be cut any further and finds no memory. @param error why */
export function tooLargeAlone(what: 'sequence' | 'text', tokens: number, error: MtLlamaError): MtLlamaError {
  return new MtLlamaError(
    'OUT_OF_MEMORY',
    `a ${what} of ${tokens} tokens, by itself, finds no memory on the device: ${error.message}. ` +
      `Shorter ${what}s, a smaller model or dtype, or device: 'cpu' would do`,
    { cause: error },
  )
}
