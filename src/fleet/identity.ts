// What tells the contents of files apart.
import { createHash } from 'node:crypto'

export interface Identity {
  bytes: number
  sha256: string
}

/** Counts and hashes what passes. */
export class Identifier {
  bytes = 0
  readonly #hash = createHash('sha256')

  add(chunk: Uint8Array): void {
    this.bytes += chunk.length
    this.#hash.update(chunk)
  }

  /** To be asked once, at the end. */
  identity(): Identity {
    return { bytes: this.bytes, sha256: this.#hash.digest('hex') }
  }
}
