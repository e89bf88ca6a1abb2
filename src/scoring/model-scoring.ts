// What calls on the scores of one model share: the queue of their packs, prefixes and caches; and how each is made of its options.
import { join } from 'node:path'
import {
  booleanOption,
  checkOptions,
  integerOption,
  signalOption,
  signalOptionNames,
} from '../calls/options.ts'
import { type OnWrong, orSkipped } from '../calls/or-skipped.ts'
import { inSlices, type Slices } from '../calls/slices.ts'
import { checkSource, readAll, type Source } from '../calls/source.ts'
import { type ReadText, readText, type Text } from '../calls/text.ts'
import type { WorkDone } from '../calls/work-done.ts'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { contentHash } from '../checkpoint/content-hash.ts'
import { makeFolder } from '../checkpoint/files.ts'
import { shown } from '../data/shown.ts'
import { type Message, MtLlamaError } from '../errors.ts'
import { writing } from '../files/output.ts'
import { packageVersion } from '../files/package-version.ts'
import { checkPath } from '../files/path.ts'
import { disposedError } from '../native/job.ts'
import type { NativeModel } from '../native/types.ts'
import { cacheFolder, ScoreCache } from './cache.ts'
import { ScoreCall, type ScoreCallOptions } from './call.ts'
import {
  afterPrefix,
  type EncodeContext,
  type EncodedRequest,
  type EncodeSettings,
  encodeAlone,
  encodePrefix,
  encodeRequest,
  encodeText,
  prefixToken,
  skippedRequest,
} from './encode.ts'
import { KeptPrefixes } from './kept-prefixes.ts'
import { Prefix, type PrefixOptions, prefixOptionNames } from './prefix.ts'
import { ScoreQueue } from './queue.ts'
import { type ReadRequest, readRequest } from './read-request.ts'
import { type ScoreOptions, type ScoreRequest, type ScoreResult, scoreOptionNames } from './request.ts'
import {
  type PerplexityOptions,
  type PerplexityResult,
  perplexityOptionNames,
  perplexityResult,
  type RollingWindow,
  rollingWindows,
} from './rolling.ts'
import { callSettings, encodeSettings } from './settings.ts'

export interface ScoringModel {
  native: NativeModel
  context: EncodeContext
  /** Tokens a pack should have. */
  packTokens: number
  /** Tokens of all prefixes that are kept. */
  prefixTokens: number
  /** false runs every sequence by itself. */
  share: boolean
  /** Fires when the model is disposed of. */
  closing: AbortSignal
}

/** Told of the tokens of a request. @param index of the request, counted from 0 */
export type OnTokens = (tokens: number, index: number) => void

export class ModelScoring {
  readonly context: EncodeContext
  private readonly closing: AbortSignal
  private readonly queue: ScoreQueue
  private readonly prefixes: KeptPrefixes
  private readonly caches = new WeakSet<ScoreCache>()

  constructor({ native, context, packTokens, prefixTokens, share, closing }: ScoringModel) {
    this.context = context
    this.closing = closing
    this.prefixes = new KeptPrefixes(native, prefixTokens)
    this.queue = new ScoreQueue(native, this.prefixes, packTokens, share)
  }

  /**
   * A call of score().
   * @param answersFirst whether a request that is wrong ends the call once those before it are answered; else an array is read at once
   * @param onWrong where it is given, a request that is wrong is skipped, as undefined is
   * @param onTokens told of each request that is not skipped, as it has been encoded
   * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE
   */
  score(
    requests: Source<ScoreRequest | undefined>,
    options: ScoreOptions,
    answersFirst: boolean,
    onWrong?: OnWrong,
    onTokens: OnTokens = () => {},
  ): AsyncGenerator<ScoreResult, void, undefined> {
    checkSource('requests', requests)
    checkOptions(options, scoreOptionNames)
    const { vocabSize } = this.context
    const settings = encodeSettings(options)
    const topK = integerOption(options, 'topK', 0, vocabSize, 0)
    const how = { ...callSettings(options), topK, answersFirst, cache: this.cacheOption(options) }
    const read = (request: unknown, index: number) => readRequest(request, index, vocabSize)
    const encode = (request: ReadRequest, index: number) =>
      encodeRequest(this.context, request, index, settings)
    if (!answersFirst && Array.isArray(requests))
      return this.run(readAll('requests', requests, read), encode, how)
    const readAndEncode = function* (request: unknown, index: number): Slices<EncodedRequest> {
      const encoded = yield* encode(read(request, index), index)
      onTokens(tokensOf(encoded), index)
      return encoded
    }
    return this.run(
      requests,
      onWrong ? orSkipped(readAndEncode, skippedRequest, onWrong) : readAndEncode,
      how,
    )
  }

  /** @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, TOKENIZER, ABORTED, DISPOSED */
  async perplexity(text: Text, options: PerplexityOptions): Promise<PerplexityResult> {
    checkOptions(options, perplexityOptionNames)
    const { vocabSize, contextLength } = this.context
    const parseSpecial = booleanOption(options, 'parseSpecial', true)
    const window = integerOption(options, 'window', 1, contextLength, contextLength)
    const stride = integerOption(options, 'stride', 1, window, window)
    const how = { ...callSettings(options), topK: 0, answersFirst: false }
    const own = readText(text, 'the text', vocabSize)
    const encoded = encodeText(this.context, own, 'the text', parseSpecial)
    const whole = await this.whileOpen(encoded, how.signal)
    const prefix = prefixToken(this.context, 'the text')
    const ids = afterPrefix(prefix, whole)
    if (ids.length === 0)
      throw new MtLlamaError('INVALID_ARGUMENT', 'the text is empty; there is nothing to score')
    const windows = [...rollingWindows(ids, prefix, window, stride)]
    // biome-ignore lint/correctness/useYield: a window is encoded already
    const encode = function* (window: RollingWindow, request: number): Slices<EncodedRequest> {
      return { sequences: [{ ...window, request, continuation: 0 }], truncatedTokens: 0, skipped: false }
    }
    let logLikelihood = 0
    for await (const { continuations } of this.run(windows, encode, how))
      logLikelihood += continuations[0]!.logLikelihood
    return perplexityResult(logLikelihood, ids.length, typeof own === 'string' ? own : undefined)
  }

  /** @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH, OUT_OF_MEMORY, TOKENIZER, ABORTED, DISPOSED */
  async prefix(text: Text, options: PrefixOptions): Promise<Prefix> {
    checkOptions(options, prefixOptionNames)
    const settings = {
      addBos: booleanOption(options, 'addBos', undefined),
      parseSpecial: booleanOption(options, 'parseSpecial', true),
    }
    const signal = signalOption(options)
    const own = readText(text, 'the prefix', this.context.vocabSize)
    const ids = await this.whileOpen(encodePrefix(this.context, own, settings), signal)
    return new Prefix(this.prefixes, await this.prefixes.add(ids, signal))
  }

  /** The ids of a prompt, none for an empty one without BOS. @throws TOKENIZER, ABORTED, DISPOSED */
  promptIds(
    prompt: ReadText,
    where: Message,
    settings: Pick<EncodeSettings, 'addBos' | 'parseSpecial'>,
    signal: AbortSignal,
  ): Promise<Int32Array> {
    return this.whileOpen(encodeAlone(this.context, prompt, where, settings), signal)
  }

  /**
   * @param computing what decides the bits of a score beside the checkpoint and this version
   * @throws INVALID_ARGUMENT, OUTPUT, ABORTED, DISPOSED
   */
  async openCache(
    folder: string,
    checkpoint: Checkpoint,
    computing: { dtype: string; backend: string },
    options: { signal?: AbortSignal },
  ): Promise<ScoreCache> {
    checkOptions(options, signalOptionNames)
    const signal = signalOption(options)
    const path = checkPath('folder', folder)
    if (this.closing.aborted) throw disposedError()
    await writing(path, cacheFolder, () => makeFolder(path))
    const hash = await contentHash(checkpoint, join(path, 'checkpoints.json'), cacheFolder, signal)
    const { dtype, backend } = computing
    const cache = await ScoreCache.open(path, JSON.stringify([await packageVersion(), hash, dtype, backend]))
    this.caches.add(cache)
    return cache
  }

  /** @throws INVALID_ARGUMENT for a cache of another model */
  cacheOption({ cache }: Pick<ScoreOptions, 'cache'>): ScoreCache | undefined {
    if (cache === undefined || this.caches.has(cache)) return cache
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `cache is ${shown(cache)}; expected one that openScoreCache() of this model has given`,
    )
  }

  /** A call over requests of any kind, which `encode` makes sequences of. */
  run<Request>(
    requests: Source<Request>,
    encode: (request: Request, index: number) => Slices<EncodedRequest>,
    how: Omit<ScoreCallOptions, 'share'>,
  ): AsyncGenerator<ScoreResult, void, undefined> {
    return new ScoreCall(this.queue, how, encode).results(requests)
  }

  get done(): WorkDone {
    return this.queue.done
  }

  /** Ends running calls with DISPOSED. */
  dispose(): void {
    this.queue.dispose()
    this.prefixes.dispose()
  }

  /** Work in slices. @throws ABORTED, DISPOSED while it is at work */
  private async whileOpen<Result>(work: Slices<Result>, signal: AbortSignal | undefined): Promise<Result> {
    try {
      return await inSlices(work, this.closing, signal)
    } catch (error) {
      throw this.closing.aborted ? disposedError() : error
    }
  }
}

/** Tokens of a request, those that its sequences share counted once. */
function tokensOf({ sequences }: EncodedRequest): number {
  let tokens = sequences[0]?.first ?? 0
  for (const { ids, first } of sequences) tokens += ids.length - first
  return tokens
}
