// Where a call's requests come from, and reading them without holding the event loop up.
import { setImmediate as nextTurn } from 'node:timers/promises'

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
 * @param onStall told when an item takes long, and when it has come
 */
export async function* pull<Item>(
  source: Source<Item>,
  onStall: (stalled: boolean) => void,
): AsyncGenerator<Item, void, undefined> {
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  let turn = performance.now()
  let left = false
  try {
    for (;;) {
      const pulled = items.next()
      const next = 'then' in pulled ? await watched(pulled, onStall) : pulled
      if (next.done) return
      left = true
      yield next.value
      left = false
      if (performance.now() - turn < sliceMs) continue
      await nextTurn()
      turn = performance.now()
    }
  } finally {
    // Nobody is there any more to hear of a failure.
    if (left) void Promise.resolve(items.return?.()).catch(() => {})
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
