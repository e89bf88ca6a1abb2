// One call of generate(): hands its prompts to the queue as they are read, and its texts out in input order.

import type { OnWrong } from '../calls/or-skipped.ts'
import { type Answerer, type Entry, OrderedCall } from '../calls/ordered-call.ts'
import type { Priority } from '../calls/priority.ts'
import { inSlices, type Slices } from '../calls/slices.ts'
import type { Source } from '../calls/source.ts'
import { MtLlamaError } from '../errors.ts'
import type { Continuation } from './continuation.ts'
import { type DecodeQueue, type DecodingCall, maxSequences } from './decode-queue.ts'
import { ExpectedTokens } from './expected-tokens.ts'
import type { GenerateResult } from './options.ts'
import type { GenerateSettings } from './settings.ts'

/** Prompts that are read and not handed out: a long text must not keep places empty behind it for long. */
const promptsAhead = 4 * maxSequences

export interface GenerateCallOptions
  extends Pick<GenerateSettings, 'priority'>,
    Partial<Pick<GenerateSettings, 'signal' | 'onProgress'>> {
  /** A source or a prompt that is wrong ends the call once the prompts before it are answered, not at once. */
  answersFirst: boolean
  /** See DecodingCall. */
  keepsRows?: boolean
  /** Told of a text that ends in an error, whose prompt then counts as skipped; else the error ends the call. */
  onWrong?: OnWrong
  /** Text that became certain, of any prompt. */
  onText?: ((piece: string) => void) | undefined
}

export class GenerateCall<Prompt> implements DecodingCall, Answerer<Prompt, GenerateResult, PromptText> {
  readonly waiting: Continuation[] = []
  private readonly queue: DecodeQueue
  private readonly options: GenerateCallOptions
  private readonly prepare: (prompt: Prompt, index: number) => Slices<Continuation | undefined>
  private readonly call: OrderedCall<Prompt, GenerateResult, PromptText>
  private promptsDone = 0
  private tokensDone = 0
  private readonly expected = new ExpectedTokens()
  private readonly start = performance.now()

  /** @param prepare a prompt, given its index, as a text to generate; undefined skips it */
  constructor(
    queue: DecodeQueue,
    options: GenerateCallOptions,
    prepare: (prompt: Prompt, index: number) => Slices<Continuation | undefined>,
  ) {
    this.queue = queue
    this.options = options
    this.prepare = prepare
    this.call = new OrderedCall<Prompt, GenerateResult, PromptText>(this, {
      ...options,
      ...{ maxAhead: promptsAhead, sourceName: 'prompts' },
    })
  }

  results(prompts: Source<Prompt>): AsyncGenerator<GenerateResult, void, undefined> {
    return this.call.answers(prompts)
  }

  get priority(): Priority {
    return this.options.priority
  }

  get keepsRows(): boolean {
    return this.options.keepsRows ?? false
  }

  begin(): void {
    this.queue.add(this)
  }

  enter(prompt: Prompt, index: number): PromptText | Promise<PromptText> {
    const text = inSlices(this.prepare(prompt, index), this.call.closed)
    return text instanceof Promise ? text.then(late => this.add(late, index)) : this.add(text, index)
  }

  private add(text: Continuation | undefined, index: number): PromptText {
    this.expected.add(text)
    if (text) this.waiting.push(text)
    else this.promptsDone++
    return new PromptText(text, index, this.options.onWrong)
  }

  entered(): undefined {
    this.queue.wake()
  }

  readingChanged(): void {
    this.queue.wake()
  }

  end(): void {
    this.waiting.length = 0
    this.queue.remove(this)
  }

  get isReady(): boolean {
    const { length } = this.waiting
    return length >= maxSequences || (length > 0 && this.call.reading !== 'open')
  }

  onText(piece: string): void {
    this.options.onText?.(piece)
  }

  onStep(tokens: number, ended: number): void {
    this.tokensDone += tokens
    this.promptsDone += ended
    if (ended > 0) this.expected.takeEnded()
    if (ended > 0) this.call.changed.tell()
    const { promptsDone, tokensDone, expected } = this
    this.options.onProgress?.({
      ...{ promptsDone, promptsTotal: this.call.itemsTotal, tokensDone },
      ...{ promptsPlanned: expected.prompts, tokensPlanned: expected.tokens },
      tokensPerSecond: tokensDone / ((performance.now() - this.start) / 1000),
    })
  }

  fail(error: unknown): void {
    this.call.fail(error)
  }
}

/** The text of a prompt; none where it is skipped. */
class PromptText implements Entry<GenerateResult> {
  readonly weight = 1
  private readonly text: Continuation | undefined
  private readonly index: number
  private readonly onWrong: OnWrong | undefined

  constructor(text: Continuation | undefined, index: number, onWrong: OnWrong | undefined) {
    this.text = text
    this.index = index
    this.onWrong = onWrong
  }

  isDone(): boolean {
    return this.text?.ended ?? true
  }

  answer(): GenerateResult {
    try {
      return this.text?.result() ?? skippedResult()
    } catch (error) {
      if (!this.onWrong || !(error instanceof MtLlamaError)) throw error
      this.onWrong(error, this.index)
      return skippedResult()
    }
  }
}

function skippedResult(): GenerateResult {
  return { text: '', tokens: [], finishReason: 'skipped', logProbs: [], truncatedTokens: 0 }
}
