// A text that many prompts begin with, kept between calls.
import { optionNames } from '../calls/options.ts'
import type { KeptPrefix, KeptPrefixes } from './kept-prefixes.ts'

export interface PrefixOptions {
  /** As in ScoreOptions, and as the calls have it that are to find the prefix. */
  addBos?: boolean
  /** As in ScoreOptions. @default true */
  parseSpecial?: boolean
  /** Rejects with ABORTED. */
  signal?: AbortSignal
}

export const prefixOptionNames = optionNames<PrefixOptions>({
  addBos: true,
  parseSpecial: true,
  signal: true,
})

/** Made by Model.prefix(). */
export class Prefix {
  /** The tokens that are kept, BOS among them. */
  readonly tokens: number
  readonly #prefixes: KeptPrefixes
  readonly #kept: KeptPrefix

  /** @internal */
  constructor(prefixes: KeptPrefixes, kept: KeptPrefix) {
    this.#prefixes = prefixes
    this.#kept = kept
    this.tokens = kept.ids.length
  }

  /** Gives its memory back once the calls that use it have ended; later calls run its tokens again. */
  dispose(): void {
    this.#prefixes.forget(this.#kept)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
