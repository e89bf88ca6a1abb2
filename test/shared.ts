// Finds golden vectors: the small set of this repository, and the folder of large sets, data and models beside the checkout.
// Tests that need that folder skip where it is absent.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../shared/', import.meta.url))

const own = fileURLToPath(new URL('golden/', import.meta.url))

/** The path of a file or folder of test/golden, which bench/peers/golden makes. */
export function carried(...parts: string[]): string {
  return own + parts.join('/')
}

/** Why tests of the shared folder are skipped; undefined where it is there. */
export const sharedMissing = existsSync(root) ? undefined : `${root} is not there`

/** The path of a file or folder in the shared folder, as in shared('golden', 'hf'). */
export function shared(...parts: string[]): string {
  return root + parts.join('/')
}
