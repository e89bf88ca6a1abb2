// What sequences of token ids have in common from their beginning.

/** The number of ids, within these lengths, that are the same in both. */
export function commonLength(a: Int32Array, lengthA: number, b: Int32Array, lengthB: number): number {
  const length = Math.min(lengthA, lengthB)
  let i = 0
  while (i < length && a[i] === b[i]) i++
  return i
}
