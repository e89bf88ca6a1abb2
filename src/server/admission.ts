// How much work may wait: a request whose tokens do not fit is told when to come again. So the memory of all answers has a bound.
import { HttpError } from './http-error.ts'

/** Seconds to wait where nothing is known of the pace yet. */
const firstGuess = 1
/** No client is sent away for longer, in seconds. */
const longestWait = 600

/** Gives a place back. @param isDone false for tokens that were given up: they tell nothing of the pace */
export type Leave = (isDone?: boolean) => void

export class Admission {
  /** Tokens that requests which are not answered yet may take. */
  tokens = 0
  private readonly limit: number
  /** Tokens of answered requests, and the time in which there were any to answer, in ms. */
  private tokensDone = 0
  private busyTime = 0
  private busySince: number | undefined

  /** @param limit tokens that may wait or run */
  constructor(limit: number) {
    this.limit = limit
  }

  /**
   * Takes a request in. @returns gives its place back; more calls of it do nothing
   * @throws 413 for one that never fits; 429 with the time in which the queue should have room, by the pace so far
   */
  enter(tokens: number): Leave {
    this.checkSize(tokens)
    const over = this.tokens + tokens - this.limit
    if (over > 0) {
      const seconds = Math.ceil(Math.min(this.secondsFor(over), longestWait))
      throw new HttpError(
        429,
        `the queue is full: ${this.tokens} tokens wait, ${this.limit} may; come again in ${seconds} s`,
        { code: 'queue_full', headers: { 'retry-after': `${seconds}` } },
      )
    }
    return this.hold(tokens)
  }

  /** Whether a request can ever fit, of which some tokens are known. @throws 413 */
  checkSize(tokens: number): void {
    if (tokens <= this.limit) return
    throw new HttpError(
      413,
      `the request takes ${tokens} tokens or more, and the queue holds ${this.limit}; split it`,
      { code: 'request_too_large' },
    )
  }

  /** enter() for what is being read already, and is taken in whatever waits. */
  hold(tokens: number): Leave {
    this.busySince ??= performance.now()
    this.tokens += tokens
    let isIn = true
    return (isDone = true) => {
      if (!isIn) return
      isIn = false
      this.tokens -= tokens
      if (isDone) this.tokensDone += tokens
      if (this.tokens > 0) return
      this.busyTime += performance.now() - this.busySince!
      this.busySince = undefined
    }
  }

  private secondsFor(tokens: number): number {
    const running = this.busySince === undefined ? 0 : performance.now() - this.busySince
    if (this.tokensDone === 0) return firstGuess
    return Math.max(firstGuess, (tokens * (this.busyTime + running)) / 1000 / this.tokensDone)
  }
}

/** New tokens that a text is taken to have: most end long before what they may have. */
const expectedTokens = 512

/**
 * What a request counts as.
 * @param prompts tokens of its prompts
 * @param texts new texts
 * @param maxTokens new tokens that each may have
 * @param alternatives of each token, which take memory until they are sent
 */
export function tokensOf(prompts: number, texts: number, maxTokens: number, alternatives = 0): number {
  return (prompts + texts * Math.min(maxTokens, expectedTokens)) * Math.max(1, alternatives)
}
