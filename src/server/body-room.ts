// How many bytes of bodies may be held at once: they are read before it is known how many tokens they have.
import { HttpError } from './http-error.ts'
import type { Limits } from './route.ts'

/** Bodies of the largest size that may be read beside those of requests which are in the queue. */
const bodiesAtOnce = 16
/** Of a token in a body: an id and a comma, or a word. */
const bytesPerToken = 8

export class BodyRoom {
  private bytes = 0
  private readonly limit: number

  constructor({ bodyBytes, queueTokens }: Limits) {
    this.limit = bodiesAtOnce * bodyBytes + bytesPerToken * queueTokens
  }

  /** @throws 429 */
  take(bytes: number): void {
    if (this.bytes + bytes > this.limit)
      throw new HttpError(429, 'too many bodies are being read; come again in 1 s', {
        ...{ code: 'queue_full', headers: { 'retry-after': '1' } },
      })
    this.bytes += bytes
  }

  give(bytes: number): void {
    this.bytes -= bytes
  }
}
