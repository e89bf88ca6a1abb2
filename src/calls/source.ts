// Where a call's requests come from, and reading them without holding the event loop up.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { onAbort } from '../native/job.ts'

export type Source<Item> = Iterable<Item> | AsyncIterable<Item>

/** The event loop gets its turn after this much work, in ms. */
const sliceMs = 3
/** A source that takes longer than this, in ms, is not waited for while native has nothing to do. */
const stallMs = 5

/** An array or another (async) iterable, but no text. */
export function isSource(value: unknown): value is Source<unknown> {
  if (typeof value !== 'object' || value === null) return false
  return Symbol.iterator in value || Symbol.asyncIterator in value
}

/**
 * The items of a source; leaving the loop over them ends it.
 * @param closed ends it at once, while an item is waited for too
 * @param onStall told when an item takes long, and when it has come
 */
export async function* pull<Item>(
  source: Source<Item>,
  closed: AbortSignal,
  onStall: (stalled: boolean) => void,
): AsyncGenerator<Item, void, undefined> {
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  let open = true
  const close = () => {
    if (!open) return
    open = false
    // Not while a generator runs that ended the call itself. Nobody is there any more to hear of a failure.
    void Promise.resolve()
      .then(() => items.return?.())
      .catch(() => {})
  }
  const stopListening = onAbort(closed, close)
  let turn = performance.now()
  try {
    while (open) {
      const pulled = items.next()
      const next = 'then' in pulled ? await watched(pulled, onStall) : pulled
      if (next.done) open = false
      if (!open) return
      yield next.value
      if (performance.now() - turn < sliceMs) continue
      await nextTurn()
      turn = performance.now()
    }
  } catch (error) {
    // A source that fails has ended.
    open = false
    throw error
  } finally {
    stopListening()
    close()
  }
}

async function watched<T>(pulled: Promise<T>, onStall: (stalled: boolean) => void): Promise<T> {
  let stalled = false
  const timer = setTimeout(() => {
    stalled = true
    onStall(true)
  }, stallMs)
  try {
    return await pulled
  } finally {
    clearTimeout(timer)
    if (stalled) onStall(false)
  }
}
