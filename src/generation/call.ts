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
    Partial<Pick<GenerateSettings, 'signal' | 'partialOnAbort' | 'onProgress'>> {
  /** A source or a prompt that is wrong ends the call once the prompts before it are answered, not at once. */
  answersFirst: boolean
  /** See DecodingCall. */
  keepsRows?: boolean
  /** Told of a text that ends in an error, whose prompt then counts as skipped; else the error ends the call. */
  onWrong?: OnWrong
  /** Text that became certain, of any prompt. */
  onText?: ((piece: string, text: Continuation) => void) | undefined
}

export class GenerateCall<Prompt> implements DecodingCall, Answerer<Prompt, GenerateResult, PromptTexts> {
  readonly waiting: Continuation[] = []
  private readonly queue: DecodeQueue
  private readonly options: GenerateCallOptions
  private readonly prepare: (prompt: Prompt, index: number) => Slices<Continuation[]>
  private readonly call: OrderedCall<Prompt, GenerateResult, PromptTexts>
  /** The prompts whose texts have not all ended. */
  private readonly open = new Set<PromptTexts>()
  /** The signal has fired, and texts end where they are. */
  private isCut = false
  private promptsDone = 0
  private tokensDone = 0
  private readonly expected = new ExpectedTokens()
  private readonly start = performance.now()

  /** @param prepare a prompt, given its index, as the texts to generate; none skips it */
  constructor(
    queue: DecodeQueue,
    options: GenerateCallOptions,
    prepare: (prompt: Prompt, index: number) => Slices<Continuation[]>,
  ) {
    this.queue = queue
    this.options = options
    this.prepare = prepare
    this.call = new OrderedCall<Prompt, GenerateResult, PromptTexts>(this, {
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

  enter(prompt: Prompt, index: number): PromptTexts | Promise<PromptTexts> {
    if (this.isCut) return new PromptTexts([], 'aborted')
    const texts = inSlices(this.prepare(prompt, index), this.call.closed)
    return texts instanceof Promise ? texts.then(late => this.add(late, index)) : this.add(texts, index)
  }

  private add(texts: readonly Continuation[], index: number): PromptTexts {
    const { onWrong } = this.options
    const entry = new PromptTexts(texts, 'skipped', onWrong && (error => onWrong(error, index)))
    this.expected.add(texts)
    if (this.isCut) entry.abort(() => {})
    else this.waiting.push(...texts)
    if (entry.isDone()) this.promptsDone++
    else this.open.add(entry)
    return entry
  }

  cutShort(): boolean {
    if (!this.options.partialOnAbort) return false
    this.isCut = true
    this.waiting.length = 0
    for (const entry of this.open) entry.abort((piece, text) => this.onText(piece, text))
    // The step that fired the signal, in the listener of another call, may be reported still.
    this.promptsDone += this.open.size
    this.open.clear()
    this.queue.textsEnded()
    return true
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

  onText(piece: string, text: Continuation): void {
    this.options.onText?.(piece, text)
  }

  onStep(tokens: number, ended: number): void {
    this.tokensDone += tokens
    if (ended > 0) {
      this.expected.takeEnded()
      for (const entry of this.open) if (entry.isDone() && this.open.delete(entry)) this.promptsDone++
      this.call.changed.tell()
    }
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

/** The texts of a prompt; none where it is left out. */
class PromptTexts implements Entry<GenerateResult> {
  readonly weight: number
  private readonly texts: readonly Continuation[]
  private readonly whyNone: 'skipped' | 'aborted'
  private readonly onWrong: ((error: MtLlamaError) => void) | undefined

  /** @param onWrong told why the prompt is skipped after all, where its texts have no result; else that is thrown */
  constructor(
    texts: readonly Continuation[],
    whyNone: 'skipped' | 'aborted',
    onWrong?: (error: MtLlamaError) => void,
  ) {
    this.texts = texts
    this.whyNone = whyNone
    this.onWrong = onWrong
    this.weight = Math.max(1, texts.length)
  }

  isDone(): boolean {
    return this.texts.every(({ ended }) => ended)
  }

  /** Ends the texts where they are. @param onText told what was held back of them */
  abort(onText: (piece: string, text: Continuation) => void): void {
    for (const text of this.texts) {
      const piece = text.abort()
      if (piece !== '') onText(piece, text)
    }
  }

  answer(): GenerateResult {
    const [first] = this.texts
    if (!first) return withoutText(this.whyNone)
    try {
      const choices = this.texts.map(text => text.result())
      const { truncatedTokens } = first.prompt
      return { ...choices[0]!, truncatedTokens, ...(choices.length > 1 && { choices }) }
    } catch (error) {
      if (!this.onWrong || !(error instanceof MtLlamaError)) throw error
      this.onWrong(error)
      return withoutText('skipped')
    }
  }
}

function withoutText(finishReason: 'skipped' | 'aborted'): GenerateResult {
  return { text: '', tokens: [], finishReason, logProbs: [], truncatedTokens: 0 }
}
