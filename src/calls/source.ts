// Where a call's requests come from, and reading them without holding the event loop up.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { onAbort } from '../native/job.ts'
import { reading } from './reading.ts'

export type Source<Item> = Iterable<Item> | AsyncIterable<Item>

/** The event loop gets its turn after this much work, in ms. */
const sliceMs = 3
/** A source that takes longer than this, in ms, is not waited for while native has nothing to do. */
const stallMs = 5

/** An array or another (async) iterable, but no text. */
export function isSource(value: unknown): value is Source<unknown> {
  // A typed array holds numbers: it may be one text, never a source of texts.
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = value as Partial<AsyncIterable<unknown>> &
    Partial<Iterable<unknown>>
  return typeof (later ?? now) === 'function'
}

/**
 * @param name of the source and of what it holds: 'requests'
 * @throws INVALID_ARGUMENT
 */
export function checkSource(name: string, value: unknown): void {
  if (reading(name, () => isSource(value))) return
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    `${name} is ${shown(value)}; expected an array or an (async) iterable of ${name}`,
  )
}

/** What an array holds now: its owner may change it while the call runs. */
export function readAll<Read>(
  name: string,
  items: readonly unknown[],
  read: (item: unknown, index: number) => Read,
): Read[] {
  return reading(name, () => Array.from(items, read))
}

export async function collect<Result>(results: AsyncIterable<Result>): Promise<Result[]> {
  const all: Result[] = []
  for await (const result of results) all.push(result)
  return all
}

/**
 * The results of a source's iterator; leaving the loop over them ends it. What the source throws is thrown as it is.
 * @param name of the source, for messages: 'requests'
 * @param closed ends it at once, while an item is waited for too
 * @param onStall told when an item takes long, and when it has come
 * @throws INVALID_ARGUMENT where its iterator is none
 */
export async function* pull<Item>(
  source: Source<Item>,
  name: string,
  closed: AbortSignal,
  onStall: (stalled: boolean) => void,
): AsyncGenerator<IteratorYieldResult<Item>, void, undefined> {
  const items = iteratorOf(source, name)
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
      const next = isObject(pulled) && 'then' in pulled ? await watched(pulled, onStall) : pulled
      if (!isObject(next)) throw wrongIterator(name, 'what its next() gives', next, '{ done, value }')
      if (next.done) open = false
      if (!open) return
      // Yielded by itself, a value that is a promise or a Proxy would be asked for its then().
      yield next as IteratorYieldResult<Item>
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

function iteratorOf<Item>(source: Source<Item>, name: string): Iterator<Item> | AsyncIterator<Item> {
  const { [Symbol.asyncIterator]: later } = source as Partial<AsyncIterable<Item>>
  const items = later ? later.call(source) : (source as Iterable<Item>)[Symbol.iterator]()
  if (isObject(items) && typeof items.next === 'function') return items
  throw wrongIterator(name, 'its iterator', items, 'an object with next()')
}

/** The types say that it is one, but a caller need not have kept to them. */
function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

function wrongIterator(name: string, what: string, found: unknown, expected: string): MtLlamaError {
  return new MtLlamaError('INVALID_ARGUMENT', `${name}: ${what} is ${shown(found)}; expected ${expected}`)
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
