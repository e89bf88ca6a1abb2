// One call of generate(): reads prompts ahead of the generator, gives the results in input order.

import { Signal } from '../calls/signal.ts'
import { pull, type Source } from '../calls/source.ts'
import type { NativeSampling } from '../native/types.ts'
import type { Continuation } from './continuation.ts'
import { type Generator, mostSequences, type TextQueue } from './generator.ts'
import type { GenerateOptions, GenerateResult } from './options.ts'

/** Prompts that are read and not handed out: a long text must not keep places empty behind it for long. */
const promptsAhead = 4 * mostSequences

export interface GenerateCallOptions extends Pick<GenerateOptions, 'signal' | 'onProgress'> {
  sampling: NativeSampling
  /** A source or a prompt that is wrong ends the call once the prompts before it are answered, not at once. */
  answersFirst: boolean
  /** Text that became certain, of any prompt. */
  onText?: ((piece: string) => void) | undefined
}

export class GenerateCall implements TextQueue {
  readonly waiting: Continuation[] = []
  ended = false
  private readonly generator: Generator
  private readonly options: GenerateCallOptions
  /** In the order of the prompts; undefined: skipped. */
  private readonly ahead: (Continuation | undefined)[] = []
  private readonly changes = new Signal()
  private readonly left = new AbortController()
  private promptsRead = 0
  private promptsDone = 0
  private promptsTotal: number | undefined
  private tokensDone = 0
  private readonly start = performance.now()
  /** No more prompts for now: the source takes long, or enough are ahead. */
  private resting = false
  private failure: { error: unknown } | undefined
  /** Why there are no more prompts, where that is an error. */
  private broken: { error: unknown } | undefined

  constructor(generator: Generator, options: GenerateCallOptions) {
    this.generator = generator
    this.options = options
  }

  /** @param begin a prompt, given its index, as a text to generate; undefined skips it */
  async *results<Prompt>(
    prompts: Source<Prompt>,
    begin: (prompt: Prompt, index: number) => Continuation | undefined,
  ): AsyncGenerator<GenerateResult, void, undefined> {
    const { sampling, signal, onText = () => {} } = this.options
    const signals = signal ? [signal, this.left.signal] : [this.left.signal]
    const onStep = (tokens: number, ended: number) => this.step(tokens, ended)
    this.generator
      .run(this, sampling, { onText, onStep }, AbortSignal.any(signals))
      .catch(error => this.fail(error))
    if (Array.isArray(prompts)) this.promptsTotal = prompts.length
    this.read(prompts, begin).catch(error => this.break(error))
    try {
      for (;;) {
        while (!this.failure && !this.isFirstDone() && !(this.ended && this.ahead.length === 0))
          await this.changes.wait()
        if (this.failure) throw this.failure.error
        if (this.ahead.length === 0) {
          if (this.broken) throw this.broken.error
          return
        }
        const text = this.ahead.shift()
        this.changes.tell()
        yield text?.result() ?? skippedResult()
      }
    } finally {
      this.fail(undefined)
    }
  }

  async ready(): Promise<boolean> {
    while (!this.ended && this.waiting.length < mostSequences && !(this.resting && this.waiting.length > 0))
      await this.changes.wait()
    return this.waiting.length > 0
  }

  private async read<Prompt>(
    prompts: Source<Prompt>,
    begin: (prompt: Prompt, index: number) => Continuation | undefined,
  ): Promise<void> {
    for await (const prompt of pull(prompts, this.left.signal, stalled => this.rest(stalled))) {
      if (this.failure) return
      const text = begin(prompt, this.promptsRead)
      this.promptsRead++
      this.ahead.push(text)
      if (text) this.waiting.push(text)
      else this.promptsDone++
      this.changes.tell()
      if (this.ahead.length < promptsAhead) continue
      this.rest(true)
      while (!this.failure && this.ahead.length >= promptsAhead) await this.changes.wait()
      this.rest(false)
    }
    this.endSource()
  }

  private endSource(): void {
    this.ended = true
    this.promptsTotal = this.promptsRead
    this.changes.tell()
  }

  private break(error: unknown): void {
    if (!this.options.answersFirst) this.fail(error)
    else {
      this.broken = { error }
      this.endSource()
    }
  }

  private rest(resting: boolean): void {
    this.resting = resting
    this.changes.tell()
  }

  private step(tokens: number, ended: number): void {
    this.tokensDone += tokens
    this.promptsDone += ended
    if (ended > 0) this.changes.tell()
    const { promptsDone, promptsTotal, tokensDone } = this
    this.options.onProgress?.({
      ...{ promptsDone, promptsTotal, tokensDone },
      tokensPerSecond: tokensDone / ((performance.now() - this.start) / 1000),
    })
  }

  /** The first failure counts; after the end there is none. */
  private fail(error: unknown): void {
    if (this.failure) return
    this.failure = { error }
    this.ended = true
    this.waiting.length = 0
    this.left.abort()
    this.changes.tell()
  }

  private isFirstDone(): boolean {
    const { ahead } = this
    return ahead.length > 0 && (ahead[0] === undefined || ahead[0].finishReason !== undefined)
  }
}

function skippedResult(): GenerateResult {
  return { text: '', tokens: [], finishReason: 'skipped', logProbs: [], truncatedTokens: 0 }
}
