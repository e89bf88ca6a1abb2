// How alike two texts are at most, by the characters they share: quick_ratio() of Python's difflib.SequenceMatcher.

/**
 * Twice the number of shared code points (each counted as often as both texts have it, whatever the order), divided by the
 * sum of both lengths: 0 where nothing is shared, 1 for equal texts and for two empty ones.
 */
export function quickRatio(a: string, b: string): number {
  const left = new Map<string, number>()
  let length = 0
  for (const character of b) {
    left.set(character, (left.get(character) ?? 0) + 1)
    length++
  }
  let shared = 0
  for (const character of a) {
    length++
    const count = left.get(character) ?? 0
    if (count === 0) continue
    left.set(character, count - 1)
    shared++
  }
  return length === 0 ? 1 : (2 * shared) / length
}
