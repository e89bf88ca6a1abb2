// Ends a call as soon as its reader leaves.

/**
 * The same generator, whose return() runs `leave` first. By itself it would wait for the item that was asked for last,
 * which may never come. A loop that is left calls return() too.
 */
export function onLeave<Item, Result>(
  generator: AsyncGenerator<Item, Result, undefined>,
  leave: () => void,
): AsyncGenerator<Item, Result, undefined> {
  const end = generator.return.bind(generator)
  generator.return = value => {
    leave()
    return end(value)
  }
  return generator
}
