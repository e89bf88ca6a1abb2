// A source of one item that waits forever for the next, and notes that it was closed.

export function waitingSource<Item>(item: Item): { source: AsyncIterable<Item>; closed: () => boolean } {
  let given = false
  let closed = false
  const next = (): Promise<IteratorResult<Item>> => {
    if (given) return new Promise(() => {})
    given = true
    return Promise.resolve({ done: false, value: item })
  }
  const close = async (): Promise<IteratorResult<Item>> => {
    closed = true
    return { done: true, value: undefined }
  }
  return { source: { [Symbol.asyncIterator]: () => ({ next, return: close }) }, closed: () => closed }
}
