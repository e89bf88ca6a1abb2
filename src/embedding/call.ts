// One call of embed(): runs its texts in packs as they are read, and hands their vectors out in input order.
import { type Answerer, type Entry, OrderedCall, type Reading } from '../calls/ordered-call.ts'
import { inSlices, type Slices } from '../calls/slices.ts'
import type { Source } from '../calls/source.ts'
import {
  cancel,
  disposedError,
  isOutOfMemory,
  nativeJob,
  newControl,
  onAbort,
  tooLargeAlone,
} from '../native/job.ts'
import type { Control, NativeModel, Pooling } from '../native/types.ts'
import type { EncodedText } from '../scoring/encode.ts'
import type { EmbedProgress, EmbedResult } from './options.ts'

export interface EmbedCallOptions {
  pooling: Pooling
  normalize: boolean
  isUrgent: boolean
  signal: AbortSignal | undefined
  /** Ends the call with DISPOSED: the model is disposed of. */
  closing: AbortSignal
  onProgress: ((progress: EmbedProgress) => void) | undefined
  /** A source or a text that is wrong ends the call once the texts before it are answered, not at once. */
  answersFirst: boolean
}

/** One runs, and one waits behind it. */
const packsInFlight = 2
/** Tokens that may be read and not yet handed out, in packs. */
const packsAhead = 8
/** Stands for a text's own memory, so that tiny texts are bounded too. */
const tokensPerText = 16

export class EmbedCall<Text> implements Answerer<Text, EmbedResult, TextVector> {
  private readonly native: Pick<NativeModel, 'embed'>
  private readonly options: EmbedCallOptions
  private readonly encode: (text: Text, index: number) => Slices<EncodedText | undefined>
  private readonly call: OrderedCall<Text, EmbedResult, TextVector>
  /** Tokens a pack should have: fewer once one has found no memory. */
  private packTokens: number
  private waiting: TextVector[] = []
  private readonly flights = new Set<Control>()
  private textsDone = 0
  private tokensDone = 0
  private readonly start = performance.now()
  private stopListening = () => {}

  /**
   * @param packTokens tokens a pack should have; a longer text makes a pack of its own
   * @param encode a text, given its index, as tokens; undefined skips it
   */
  constructor(
    native: Pick<NativeModel, 'embed'>,
    packTokens: number,
    options: EmbedCallOptions,
    encode: (text: Text, index: number) => Slices<EncodedText | undefined>,
  ) {
    this.native = native
    this.packTokens = packTokens
    this.options = options
    this.encode = encode
    this.call = new OrderedCall<Text, EmbedResult, TextVector>(this, {
      ...options,
      ...{ maxAhead: packsAhead * packTokens, sourceName: 'texts' },
    })
  }

  results(texts: Source<Text>): AsyncGenerator<EmbedResult, void, undefined> {
    return this.call.answers(texts)
  }

  begin(): void {
    this.stopListening = onAbort(this.options.closing, () => this.call.fail(disposedError()))
  }

  enter(text: Text, index: number): TextVector | Promise<TextVector> {
    const encoded = inSlices(this.encode(text, index), this.call.closed)
    return encoded instanceof Promise ? encoded.then(late => this.add(late)) : this.add(encoded)
  }

  private add(encoded: EncodedText | undefined): TextVector {
    const text = new TextVector(encoded)
    if (encoded) this.waiting.push(text)
    else this.textsDone++
    return text
  }

  entered(): undefined {
    this.pump()
  }

  readingChanged(reading: Reading): void {
    if (reading !== 'open') this.pump()
  }

  end(): void {
    this.stopListening()
    this.waiting = []
    for (const control of this.flights) cancel(control)
  }

  /** Runs full packs, and smaller ones while no text comes. */
  private pump(): void {
    while (this.flights.size < packsInFlight && this.waiting.length > 0) {
      const count = this.fitting()
      if (count === this.waiting.length && this.call.reading === 'open') return
      void this.run(this.waiting.splice(0, count))
    }
  }

  /** How many of the texts that wait make up a pack. */
  private fitting(): number {
    let tokens = 0
    for (const [i, { ids }] of this.waiting.entries()) {
      tokens += ids.length
      if (tokens > this.packTokens) return Math.max(1, i)
    }
    return this.waiting.length
  }

  private async run(texts: TextVector[]): Promise<void> {
    const control = newControl()
    this.flights.add(control)
    const { pooling, normalize, isUrgent } = this.options
    const offsets = new Int32Array(texts.length + 1)
    for (const [i, { ids }] of texts.entries()) offsets[i + 1] = offsets[i]! + ids.length
    const ids = new Int32Array(offsets.at(-1)!)
    for (const [i, text] of texts.entries()) ids.set(text.ids, offsets[i])
    try {
      const vectors = await nativeJob(() => this.native.embed(offsets, ids, pooling, control, isUrgent))
      const size = vectors.length / texts.length
      for (const [i, text] of texts.entries()) {
        const vector = vectors.subarray(i * size, (i + 1) * size)
        text.vector = [...(normalize ? ofLengthOne(vector) : vector)]
      }
      this.textsDone += texts.length
      this.tokensDone += ids.length
      this.report()
      this.call.changed.tell()
    } catch (error) {
      if (isOutOfMemory(error) && texts.length > 1 && !this.call.closed.aborted) {
        this.packTokens = Math.min(this.packTokens, Math.ceil(ids.length / 2))
        this.waiting.unshift(...texts)
      } else this.call.fail(isOutOfMemory(error) ? tooLargeAlone('text', ids.length, error) : error)
    } finally {
      this.flights.delete(control)
      this.pump()
    }
  }

  private report(): void {
    const { textsDone, tokensDone } = this
    this.options.onProgress?.({
      ...{ textsDone, textsTotal: this.call.itemsTotal, tokensDone },
      tokensPerSecond: tokensDone / ((performance.now() - this.start) / 1000),
    })
  }
}

/** A text, and its vector once there is one. */
class TextVector implements Entry<EmbedResult> {
  readonly weight: number
  readonly ids: Int32Array
  vector: number[] | undefined
  private readonly encoded: EncodedText | undefined

  constructor(encoded: EncodedText | undefined) {
    this.encoded = encoded
    this.ids = encoded?.ids ?? new Int32Array()
    this.weight = tokensPerText + this.ids.length
  }

  isDone(): boolean {
    return !this.encoded || this.vector !== undefined
  }

  answer(): EmbedResult {
    return {
      embedding: this.vector ?? [],
      tokens: this.ids.length,
      truncatedTokens: this.encoded?.truncatedTokens ?? 0,
      skipped: !this.encoded,
    }
  }
}

/** Rounded to float32 once, at the end; a vector of zeros stays as it is. */
function ofLengthOne(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0))
  return length === 0 ? vector : vector.map(x => x / length)
}
