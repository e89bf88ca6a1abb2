// Seeds of the texts of one prompt.
import { createHash } from 'node:crypto'

/**
 * The seed of text `choice` of each prompt: that of the call for the first, and for the others 48 bits that depend on that and
 * on the number alone. They come from a hash, so that texts of calls with other seeds are others too.
 */
export function choiceSeed(seed: number, choice: number): number {
  if (choice === 0) return seed
  return createHash('sha256').update(`${seed} ${choice}`).digest().readUIntBE(0, 6)
}
