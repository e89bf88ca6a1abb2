// One text being generated: takes tokens as they come and knows when it is done.
import { notFiniteCause } from '../calls/not-finite.ts'
import { optionName } from '../calls/options.ts'
import type { Slices } from '../calls/slices.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'
import type { NativeSampling } from '../native/types.ts'
import type { Alternative } from '../scoring/request.ts'
import type { DecodeStream, Tokenizer } from '../tokenizer/tokenizer.ts'
import type { AdjustmentSettings } from './adjustment-settings.ts'
import { Adjustments } from './adjustments.ts'
import type { TextConstraint } from './constraint/text-constraint.ts'
import type { GeneratedText } from './options.ts'
import { StopText } from './stop-text.ts'

export interface EncodedPrompt {
  ids: Int32Array
  truncatedTokens: number
}

export interface ContinuationOptions {
  /** Which stream of random numbers it samples from. */
  stream: number
  /** Which of the texts of its prompt it is. */
  choice: number
  sampling: NativeSampling
  /** What changes logits; undefined where nothing does. */
  adjusting: AdjustmentSettings | undefined
  /** What the text must be; undefined where that is free. */
  constraint: TextConstraint | undefined
  /** How many alternatives of each token are reported. */
  topLogProbs: number
  tokenizer: Tokenizer | undefined
  maxTokens: number
  contextLength: number
  stopIds: ReadonlySet<number>
  stop: readonly string[]
  skipSpecialTokens: boolean
  /** Whether it goes on where a log-probability is no finite number. */
  allowNan: boolean
  /** What the model computes in, for the message of that error. */
  dtype: string
}

export class Continuation {
  readonly prompt: EncodedPrompt
  /** The index of its prompt in the call. */
  readonly stream: number
  readonly choice: number
  readonly sampling: NativeSampling
  readonly adjustments: Adjustments | undefined
  readonly constraint: TextConstraint | undefined
  readonly topLogProbs: number
  /** Positions that the text can come to need: its last new token needs none. */
  readonly capacity: number
  readonly tokens: number[] = []
  readonly logProbs: number[] = []
  /** Empty where none were asked for. */
  readonly topAlternatives: Alternative[][] = []
  text = ''
  finishReason: GeneratedText['finishReason'] | undefined
  /** Why it has ended without a result. */
  private failure: MtLlamaError | undefined
  private readonly options: ContinuationOptions
  private readonly decoder: DecodeStream | undefined
  private readonly stopText: StopText

  constructor(prompt: EncodedPrompt, options: ContinuationOptions) {
    this.prompt = prompt
    this.stream = options.stream
    this.choice = options.choice
    this.sampling = options.sampling
    this.topLogProbs = options.topLogProbs
    this.adjustments = options.adjusting && new Adjustments(options.adjusting, prompt.ids)
    this.constraint = options.constraint
    this.options = options
    this.capacity = Math.min(prompt.ids.length + options.maxTokens - 1, options.contextLength)
    this.decoder = options.tokenizer?.decodeStream({ skipSpecialTokens: options.skipSpecialTokens })
    this.stopText = new StopText(options.stop)
  }

  /** Whether no more tokens are to come. */
  get ended(): boolean {
    return this.finishReason !== undefined || this.failure !== undefined
  }

  /**
   * Finds which tokens may come next, where there is a constraint. A text in which none can ends, in an error if it is not
   * complete; returns the text that has become certain with that.
   */
  *prepare(): Slices<string> {
    const { constraint } = this
    if (!constraint || constraint.mask) return ''
    try {
      if (yield* constraint.prepare()) return ''
      if (constraint.isComplete) return this.finish('stop')
      this.failure = this.noToken()
    } catch (error) {
      this.failBy(error)
    }
    return ''
  }

  /**
   * Takes the next token; returns the text that has become certain with it.
   * @param alternatives as many as were asked for
   */
  push(token: number, logProb: number, alternatives: Alternative[] = []): string {
    // Where no logit is a number, what is chosen need not be a token that may come.
    const mayCome = this.constraint?.allows(token) ?? true
    if (!Number.isFinite(logProb) && !(this.options.allowNan && mayCome)) {
      this.failure = this.notFinite(logProb)
      return ''
    }
    // Which token comes first among NaN means nothing: it ends no text, so that its log-probability is seen.
    if (this.options.stopIds.has(token) && !Number.isNaN(logProb)) return this.finish('stop')
    this.tokens.push(token)
    this.logProbs.push(logProb)
    if (this.topLogProbs > 0) this.topAlternatives.push(alternatives)
    this.adjustments?.push(token)
    let isOver: boolean | undefined
    try {
      this.constraint?.push(token)
      isOver = this.constraint?.isOver
    } catch (error) {
      this.failBy(error)
      return ''
    }
    let piece = this.emit(this.decoder?.push(token) ?? '')
    // Byte tokens are held back until their run ends; a stop string among them ends the text at once.
    if (this.decoder && this.stopText.foresees(this.decoder.pending())) piece += this.emit(this.decoder.end())
    if (this.stopText.stopped) {
      this.finishReason = 'stop'
      return piece
    }
    if (isOver) return piece + this.finish('stop')
    if (this.tokens.length === this.options.maxTokens) return piece + this.finish('length')
    // The token just taken needs a position for another to follow.
    if (this.prompt.ids.length + this.tokens.length > this.capacity) return piece + this.finish('context')
    return piece
  }

  /** @throws SCORE_NOT_FINITE */
  result(): GeneratedText {
    if (this.failure) throw this.failure
    const { temperature, seed } = this.sampling
    return {
      text: this.text,
      tokens: this.tokens,
      finishReason: this.finishReason!,
      logProbs: this.logProbs,
      ...(this.topLogProbs > 0 && { topAlternatives: this.topAlternatives }),
      ...(temperature > 0 && { seed }),
    }
  }

  /** Ends this text alone by what is wrong with its constraint. */
  private failBy(error: unknown): void {
    if (!(error instanceof MtLlamaError)) throw error
    this.failure = error
  }

  private notFinite(logProb: number): MtLlamaError {
    const { dtype } = this.options
    return new MtLlamaError(
      'SCORE_NOT_FINITE',
      message`${this.where}: its log-probability is ${logProb}, so no token is the best. ${notFiniteCause(dtype)}${{ kind: 'remedy', option: 'allowNan', values: [] }}`,
    )
  }

  private noToken(): MtLlamaError {
    return new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${this.where}: no token may come next. Of those that lead on by ${optionName('constraint')} the vocabulary has none, or ${optionName('logitBias')} bans them all`,
    )
  }

  private get where(): Message {
    return message`${{ kind: 'prompt', index: this.options.stream }}, new token ${this.tokens.length}`
  }

  /** Ends the text where it is; returns what was held back of it. */
  abort(): string {
    return this.ended ? '' : this.finish('aborted')
  }

  private finish(reason: 'stop' | 'length' | 'context' | 'aborted'): string {
    this.finishReason = reason
    const last = this.emit(this.decoder?.end() ?? '')
    const held = this.stopText.end()
    this.text += held
    return last + held
  }

  private emit(piece: string): string {
    const certain = this.stopText.push(piece)
    this.text += certain
    return certain
  }
}
