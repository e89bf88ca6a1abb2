// The folder of golden vectors, data and models beside the checkout; tests that need it skip where it is absent.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../shared/', import.meta.url))

/** Why tests of the shared folder are skipped; undefined where it is there. */
export const sharedMissing = existsSync(root) ? undefined : `${root} is not there`

/** Path of a file or folder in it, as in shared('golden', 'hf'). */
export function shared(...parts: string[]): string {
  return root + parts.join('/')
}
