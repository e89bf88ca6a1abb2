// A loaded model: scoring, generation, chat. Thin: each method reads its options and hands on to its own room.

import { join } from 'node:path'
import { onLeave } from './calls/leaving.ts'
import {
  booleanOption,
  callbackOption,
  checkOptions,
  choiceOption,
  integerOption,
  signalOption,
  wrongOption,
} from './calls/options.ts'
import { type OnWrong, orSkipped } from './calls/or-skipped.ts'
import { priorityOption } from './calls/priority.ts'
import { reading } from './calls/reading.ts'
import { inSlices, type Slices } from './calls/slices.ts'
import { checkSource, collect, readAll, type Source } from './calls/source.ts'
import { type ReadText, readIds, readText, type Text } from './calls/text.ts'
import { ChatSession } from './chat/chat-session.ts'
import {
  type ChatMessage,
  checkMessages,
  releaseStop,
  renderChatTemplate,
  renderRelease,
} from './chat/chat-template.ts'
import {
  type ChatOptions,
  type ChatSessionOptions,
  type ChatTemplate,
  type ChatTemplateOptions,
  chatOptionNames,
  chatSessionOptionNames,
  chatTemplateOptionNames,
  templateOf,
} from './chat/options.ts'
import { contentHash } from './checkpoint/content-hash.ts'
import { makeFolder } from './checkpoint/files.ts'
import { shown } from './data/shown.ts'
import { EmbedCall } from './embedding/call.ts'
import { type EmbedOptions, type EmbedResult, embedOptionNames } from './embedding/options.ts'
import { MtLlamaError, message } from './errors.ts'
import { writing } from './files/output.ts'
import { packageVersion } from './files/package-version.ts'
import { checkPath } from './files/path.ts'
import { GenerateCall, type GenerateCallOptions } from './generation/call.ts'
import { choiceSeed } from './generation/choice-seed.ts'
import { Continuation } from './generation/continuation.ts'
import { DecodeQueue } from './generation/decode-queue.ts'
import { type GenerateOptions, type GenerateResult, generateOptionNames } from './generation/options.ts'
import { type GenerateSettings, generateSettings } from './generation/settings.ts'
import { piecesOf, TextStream } from './generation/text-stream.ts'
import { type ModelInfo, type ModelParts, modelInfo } from './model/info.ts'
import { kvBytesPerToken } from './model/memory.ts'
import type { PlannerOptions } from './model/planner-options.ts'
import { cancel, disposedError, freeModel, nativeJob, newControl, onAbort } from './native/job.ts'
import { cacheFolder, ScoreCache } from './scoring/cache.ts'
import { ScoreCall, type ScoreCallOptions } from './scoring/call.ts'
import {
  afterPrefix,
  type EncodeContext,
  type EncodedRequest,
  encodeForStates,
  encodePrefix,
  encodePrompt,
  encodeRequest,
  encodeText,
  prefixToken,
  skippedRequest,
} from './scoring/encode.ts'
import { KeptPrefixes } from './scoring/kept-prefixes.ts'
import { Prefix, type PrefixOptions, prefixOptionNames } from './scoring/prefix.ts'
import { ScoreQueue } from './scoring/queue.ts'
import { type ReadRequest, readRequest } from './scoring/read-request.ts'
import {
  type ScoreOptions,
  type ScoreRequest,
  type ScoreResult,
  scoreOptionNames,
} from './scoring/request.ts'
import {
  type PerplexityOptions,
  type PerplexityResult,
  perplexityOptionNames,
  perplexityResult,
  type RollingWindow,
  rollingWindows,
} from './scoring/rolling.ts'
import { callSettings, encodeSettings, promptSettings } from './scoring/settings.ts'
import type { Tokenizer } from './tokenizer/tokenizer.ts'
import { type Classification, Classifier, type ClassifyOptions } from './zero-shot/classify.ts'
import { answersOf, encodeAsks, type ItemJudge, readItem } from './zero-shot/judge.ts'
import { type JudgeOptions, tooLongOption } from './zero-shot/options.ts'
import { byRelevance, type RankedDocument, Ranker, type RankOptions } from './zero-shot/rank.ts'

const signalNames = ['signal']

const generateTokens = 128
const chatTokens = 512

/** Made by loadModel(). Calls may overlap: they queue fairly and share packs and steps. */
export class Model {
  readonly info: ModelInfo
  /** undefined for a checkpoint without one: it takes token ids. */
  readonly tokenizer: Tokenizer | undefined
  private readonly parts: ModelParts
  private readonly planner: PlannerOptions
  private readonly context: EncodeContext
  private readonly queue: ScoreQueue
  private readonly decoding: DecodeQueue
  private readonly closing = new AbortController()
  private readonly caches = new WeakSet<ScoreCache>()

  /** @internal */
  constructor(parts: ModelParts, planner: PlannerOptions) {
    const { native, tokenizer, checkpoint, packTokens, kvBytes } = parts
    const { config } = checkpoint
    this.parts = parts
    this.planner = planner
    this.tokenizer = tokenizer
    // A tokenizer without BOS has none, whatever config.json says or LlamaConfig assumes.
    const { bosTokenId } = tokenizer ?? config
    const eosTokenIds = new Set(config.eosTokenIds)
    if (tokenizer?.eosTokenId !== undefined) eosTokenIds.add(tokenizer.eosTokenId)
    this.info = modelInfo(parts, bosTokenId, [...eosTokenIds])
    this.context = {
      ...{ tokenizer, bosTokenId, eosTokenId: tokenizer?.eosTokenId ?? config.eosTokenIds[0] },
      ...{ vocabSize: config.vocabSize, contextLength: config.contextLength },
    }
    const kvTokens = Math.floor(kvBytes / kvBytesPerToken(config))
    this.queue = new ScoreQueue(native, new KeptPrefixes(native, kvTokens), packTokens)
    this.decoding = new DecodeQueue(native, packTokens, kvTokens)
  }

  /**
   * Log-likelihoods of continuations given prompts, in the order of the requests. An array is read at the call: what it
   * holds may be changed then. Another source is read as requests are needed.
   * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH naming the request; TOKENIZER, ABORTED, DISPOSED
   */
  async score(requests: Source<ScoreRequest>, options: ScoreOptions = {}): Promise<ScoreResult[]> {
    return collect(this.scoring(requests, options, false))
  }

  /**
   * score() for any number of requests: reads a bounded number ahead, of an array too, and gives each result in its turn,
   * those before a request that is wrong too. Nothing is read before the first result is asked for; a loop that is left ends the call.
   */
  scoreStream(
    requests: Source<ScoreRequest>,
    options: ScoreOptions = {},
  ): AsyncGenerator<ScoreResult, void, undefined> {
    return this.scoring(requests, options, true)
  }

  /**
   * scoreStream() that skips a request that is wrong, and goes on. For undefined too there is the result of a skipped request.
   * @internal
   */
  scoreOrSkip(
    requests: Source<ScoreRequest | undefined>,
    options: ScoreOptions,
    onWrong: OnWrong,
  ): AsyncGenerator<ScoreResult, void, undefined> {
    return this.scoring(requests, options, true, onWrong)
  }

  /**
   * Vectors of texts, for search, clustering or a classifier on top, in their order, or that of one text. What a text's is does not depend on
   * the texts beside it. An array is read at the call: what it holds may be changed then.
   * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH naming the text; OUT_OF_MEMORY, TOKENIZER, ABORTED, DISPOSED
   */
  async embed(text: string, options?: EmbedOptions): Promise<EmbedResult>
  async embed(texts: Source<Text>, options?: EmbedOptions): Promise<EmbedResult[]>
  async embed(
    texts: string | Source<Text>,
    options: EmbedOptions = {},
  ): Promise<EmbedResult[] | EmbedResult> {
    const list = typeof texts === 'string' ? [texts] : texts
    const results = await collect(this.embedding(list, options, false))
    return typeof texts === 'string' ? results[0]! : results
  }

  /**
   * embed() for any number of texts: reads a bounded number ahead and gives each vector in its turn, those before a text that
   * is wrong too. Nothing is read before the first result is asked for; a loop that is left ends the call.
   */
  embedStream(texts: Source<Text>, options: EmbedOptions = {}): AsyncGenerator<EmbedResult, void, undefined> {
    return this.embedding(texts, options, true)
  }

  /**
   * Keeps keys and values of a text that prompts of many calls begin with, as instructions and worked examples are: until
   * it is disposed of, score(), perplexity() and what they serve run only the tokens after it, and give the same bits. The
   * prompts stay whole. Where a token reaches from the text into the rest of a prompt, what comes before that token is found.
   * It takes as much memory as a generation over the same text.
   * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH, OUT_OF_MEMORY, TOKENIZER, ABORTED, DISPOSED
   */
  async prefix(text: Text, options: PrefixOptions = {}): Promise<Prefix> {
    checkOptions(options, prefixOptionNames)
    const settings = {
      addBos: booleanOption(options, 'addBos', undefined),
      parseSpecial: booleanOption(options, 'parseSpecial', true),
    }
    const signal = signalOption(options)
    const own = readText(text, 'the prefix', this.info.vocabSize)
    const ids = await this.whileOpen(encodePrefix(this.context, own, settings), signal)
    const { prefixes } = this.queue
    return new Prefix(prefixes, await prefixes.add(ids, signal))
  }

  /**
   * Zero-shot classification: for each text, or for one, the labels in the order of their probabilities, by the log-likelihoods
   * that score() gives them after a prompt about the text. An array is read at the call: what it holds may be changed then.
   * @throws INVALID_ARGUMENT, CONTEXT_LENGTH, SCORE_NOT_FINITE naming the text; TOKENIZER, ABORTED, DISPOSED
   */
  async classify(text: string, options: ClassifyOptions): Promise<Classification>
  async classify(texts: Source<string>, options: ClassifyOptions): Promise<Classification[]>
  async classify(
    texts: string | Source<string>,
    options: ClassifyOptions,
  ): Promise<Classification[] | Classification> {
    const list = typeof texts === 'string' ? [texts] : texts
    const results = await collect(this.judging(list, new Classifier(options), options, false))
    return typeof texts === 'string' ? results[0]! : results
  }

  /** classify() for any number of texts, as scoreStream() is score(). */
  classifyStream(
    texts: Source<string>,
    options: ClassifyOptions,
  ): AsyncGenerator<Classification, void, undefined> {
    return this.judging(texts, new Classifier(options), options, true)
  }

  /**
   * Reranking: documents by how likely the query is after a prompt about each of them, the most relevant first. Scores are
   * the log-likelihoods that score() gives. An array is read at the call: what it holds may be changed then.
   * @throws INVALID_ARGUMENT, CONTEXT_LENGTH, SCORE_NOT_FINITE naming the document; TOKENIZER, ABORTED, DISPOSED
   */
  async rank(query: string, documents: Source<string>, options: RankOptions = {}): Promise<RankedDocument[]> {
    return byRelevance(await collect(this.judging(documents, new Ranker(query, options), options, false)))
  }

  /** rank() for any number of documents: gives each with its score in the order that they come in, as scoreStream() does. */
  rankStream(
    query: string,
    documents: Source<string>,
    options: RankOptions = {},
  ): AsyncGenerator<RankedDocument, void, undefined> {
    return this.judging(documents, new Ranker(query, options), options, true)
  }

  /**
   * Texts that follow the prompts, in their order, or the one that follows one prompt. An array is read at the call: what it holds may be changed then.
   * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH naming the prompt; SCORE_NOT_FINITE, TOKENIZER, ABORTED, DISPOSED
   */
  async generate(prompt: string, options?: GenerateOptions): Promise<GenerateResult>
  async generate(prompts: Source<Text>, options?: GenerateOptions): Promise<GenerateResult[]>
  async generate(
    prompts: string | Source<Text>,
    options: GenerateOptions = {},
  ): Promise<GenerateResult[] | GenerateResult> {
    const settings = this.generation(options)
    const list = typeof prompts === 'string' ? [prompts] : prompts
    const results = await collect(this.continue(list, settings, { answersFirst: false }))
    return typeof prompts === 'string' ? results[0]! : results
  }

  /**
   * generate() for any number of prompts: reads a bounded number ahead and gives each result in its turn, those before a
   * prompt that is wrong too. Nothing is read before the first result is asked for; a loop that is left ends the call.
   */
  generateEach(
    prompts: Source<Text>,
    options: GenerateOptions = {},
  ): AsyncGenerator<GenerateResult, void, undefined> {
    return this.continue(prompts, this.generation(options), { answersFirst: true })
  }

  /**
   * generateEach() that skips a prompt that is wrong, or whose log-probabilities are NaN or infinite, and goes on. For
   * undefined too there is the result of a skipped prompt, and the prompts after it are sampled as if it had been one.
   * @internal
   */
  generateOrSkip(
    prompts: Source<Text | undefined>,
    options: GenerateOptions,
    onWrong: OnWrong,
  ): AsyncGenerator<GenerateResult, void, undefined> {
    return this.continue(prompts, this.generation(options), { answersFirst: true, onWrong })
  }

  /** One text, piece by piece as it becomes certain. The generator's return value is the result. */
  generateStream(
    prompt: Text,
    options: GenerateOptions = {},
  ): AsyncGenerator<string, GenerateResult, undefined> {
    const own = this.readText('prompt', prompt, 0)
    return this.stream(own, this.generation(options))
  }

  /**
   * Log-likelihood of a whole text over windows that slide, and the perplexities that follow from it. The first window is
   * scored after BOS, else EOS, which is not scored itself where the text begins with it.
   */
  async perplexity(text: Text, options: PerplexityOptions = {}): Promise<PerplexityResult> {
    checkOptions(options, perplexityOptionNames)
    const { vocabSize, contextLength } = this.info
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

  /** Logits after each of the ids, row-major [ids.length, vocabSize]; the ids are taken as they are. */
  async logits(
    ids: ArrayLike<number | bigint>,
    options: { signal?: AbortSignal } = {},
  ): Promise<Float32Array> {
    if (this.closing.signal.aborted) throw disposedError()
    checkOptions(options, signalNames)
    const signal = signalOption(options)
    const own = readIds(ids, 'the sequence', this.info.vocabSize)
    if (own.length === 0)
      throw new MtLlamaError('INVALID_ARGUMENT', 'the sequence is empty; expected at least one token id')
    const control = newControl()
    let stopListening = () => {}
    try {
      const ended = new Promise<never>((_, reject) => {
        const end = (error: MtLlamaError) => {
          cancel(control)
          reject(error)
        }
        const stops = [onAbort(this.closing.signal, () => end(disposedError())), onAbort(signal, end)]
        stopListening = () => {
          for (const stop of stops) stop()
        }
      })
      return await Promise.race([nativeJob(() => this.parts.native.logits(own, control)), ended])
    } finally {
      stopListening()
    }
  }

  /**
   * An answer to a conversation: generate() on applyChatTemplate(). Keys and values of conversations stay while there is
   * room, so that the next turn costs its own tokens. @default maxTokens 512
   */
  async chat(messages: readonly ChatMessage[], options: ChatOptions = {}): Promise<GenerateResult> {
    const settings = this.chatSettings(options)
    const prompt = this.chatPrompt(messages, templateOf(options), true)
    const [answer] = await collect(
      this.continue([prompt], settings, { answersFirst: false, keepsRows: true }),
    )
    return answer!
  }

  /** chat(), piece by piece. */
  chatStream(
    messages: readonly ChatMessage[],
    options: ChatOptions = {},
  ): AsyncGenerator<string, GenerateResult, undefined> {
    const settings = this.chatSettings(options)
    return this.stream(this.chatPrompt(messages, templateOf(options), true), settings, true)
  }

  /**
   * A conversation that keeps its messages: `const chat = model.chatSession({ system })`, then `await chat.send('Hello')`.
   * @param options of all its turns
   */
  chatSession(options: ChatSessionOptions = {}): ChatSession {
    checkOptions(options, chatSessionOptionNames)
    const { system, ...ofTurns } = options
    const start = system === undefined ? [] : [{ role: 'system', content: system }]
    checkMessages(start)
    return new ChatSession(this, start, ofTurns)
  }

  /**
   * A conversation as a prompt. It holds the special tokens its template writes, BOS among them, as texts.
   * @throws CHAT_TEMPLATE
   */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string {
    checkOptions(options, chatTemplateOptionNames)
    return this.chatPrompt(messages, templateOf(options), booleanOption(options, 'addGenerationPrompt', true))
  }

  private chatPrompt(
    messages: readonly ChatMessage[],
    template: ChatTemplate,
    addGenerationPrompt: boolean,
  ): string {
    const own = reading('messages', () => {
      checkMessages(messages)
      return [...messages]
    })
    if (template === 'release') return renderRelease(own, addGenerationPrompt)
    const { chatTemplate, chatTemplateFile, path } = this.parts.checkpoint
    if (chatTemplate === undefined)
      throw new MtLlamaError(
        'CHAT_TEMPLATE',
        message`${path} has no chat template; ${{ kind: 'option', name: 'template', value: 'release' }} takes the Human / Assistant form`,
      )
    return renderChatTemplate(chatTemplate, own, {
      namedTokens: this.tokenizer?.namedTokens ?? new Map(),
      addGenerationPrompt,
      file: chatTemplateFile,
    })
  }

  /** Ends running calls with DISPOSED and frees the weights; resolves once their memory is free. */
  dispose(): Promise<void> {
    if (!this.closing.signal.aborted) {
      this.closing.abort()
      this.queue.dispose()
      this.decoding.dispose()
    }
    return freeModel(this.parts.native)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  /** Work in slices. @throws ABORTED, DISPOSED while it is at work */
  private async whileOpen<Result>(work: Slices<Result>, signal: AbortSignal | undefined): Promise<Result> {
    const { signal: closing } = this.closing
    try {
      return await inSlices(work, closing, signal)
    } catch (error) {
      throw closing.aborted ? disposedError() : error
    }
  }

  /**
   * Opens a folder with scores of earlier runs, for ScoreOptions.cache: those by this version with the same weights, number
   * format and kind of processor are found again, to the bit. The first time all files of the checkpoint are read, to be told from others.
   * @throws INVALID_ARGUMENT, OUTPUT, DISPOSED
   */
  async openScoreCache(folder: string, options: { signal?: AbortSignal } = {}): Promise<ScoreCache> {
    checkOptions(options, signalNames)
    const signal = signalOption(options)
    const path = checkPath('folder', folder)
    if (this.closing.signal.aborted) throw disposedError()
    const { dtype, backend } = this.info
    await writing(path, cacheFolder, () => makeFolder(path))
    const hash = await contentHash(this.parts.checkpoint, join(path, 'checkpoints.json'), cacheFolder, signal)
    const cache = await ScoreCache.open(path, JSON.stringify([await packageVersion(), hash, dtype, backend]))
    this.caches.add(cache)
    return cache
  }

  /** @throws INVALID_ARGUMENT for a cache of another model */
  private cacheOption({ cache }: Pick<ScoreOptions, 'cache'>): ScoreCache | undefined {
    if (cache === undefined || this.caches.has(cache)) return cache
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `cache is ${shown(cache)}; expected one that openScoreCache() of this model has given`,
    )
  }

  private scoring(
    requests: Source<ScoreRequest | undefined>,
    options: ScoreOptions,
    answersFirst: boolean,
    onWrong?: OnWrong,
  ): AsyncGenerator<ScoreResult, void, undefined> {
    checkSource('requests', requests)
    checkOptions(options, scoreOptionNames)
    const { vocabSize } = this.info
    const settings = encodeSettings(options)
    const topK = integerOption(options, 'topK', 0, vocabSize, 0)
    const how = { ...callSettings(options), topK, answersFirst, cache: this.cacheOption(options) }
    const read = (request: unknown, index: number) => readRequest(request, index, vocabSize)
    const encode = (request: ReadRequest, index: number) =>
      encodeRequest(this.context, request, index, settings)
    if (!answersFirst && Array.isArray(requests))
      return this.run(readAll('requests', requests, read), encode, how)
    const readAndEncode = (request: unknown, index: number) => encode(read(request, index), index)
    return this.run(
      requests,
      onWrong ? orSkipped(readAndEncode, skippedRequest, onWrong) : readAndEncode,
      how,
    )
  }

  private embedding(
    texts: Source<Text>,
    options: EmbedOptions,
    answersFirst: boolean,
  ): AsyncGenerator<EmbedResult, void, undefined> {
    checkSource('texts', texts)
    checkOptions(options, embedOptionNames)
    const settings = promptSettings(options)
    const how = {
      pooling: choiceOption(options, 'pooling', ['mean', 'last'], 'mean'),
      normalize: booleanOption(options, 'normalize', true),
      isUrgent: priorityOption(options) === 'high',
      ...{ signal: signalOption(options), onProgress: callbackOption(options, 'onProgress'), answersFirst },
    }
    const { native, packTokens } = this.parts
    const read = (text: unknown, index: number) => this.readText('text', text, index)
    const encode = (text: ReadText, index: number) => encodeForStates(this.context, text, index, settings)
    if (!answersFirst && Array.isArray(texts))
      return new EmbedCall(native, packTokens, how, encode).results(readAll('texts', texts, read))
    const readAndEncode = (text: Text, index: number) => encode(read(text, index), index)
    return new EmbedCall(native, packTokens, how, readAndEncode).results(texts)
  }

  /** @param options that the judge has checked by name */
  private judging<Answer>(
    items: Source<string>,
    judge: ItemJudge<Answer>,
    options: JudgeOptions,
    answersFirst: boolean,
  ): AsyncGenerator<Answer, void, undefined> {
    const sourceName = `${judge.itemName}s`
    checkSource(sourceName, items)
    const encoding = encodeSettings({ tooLong: tooLongOption(options) })
    const how = {
      ...callSettings(options),
      topK: 0,
      answersFirst,
      sourceName,
      cache: this.cacheOption(options),
    }
    const read = (item: unknown, index: number) => readItem(item, index, judge.itemName)
    const encode = (item: string, index: number) => encodeAsks(this.context, judge, item, index, encoding)
    const results =
      !answersFirst && Array.isArray(items)
        ? this.run(readAll(sourceName, items, read), encode, how)
        : this.run(items, (item, index) => encode(read(item, index), index), how)
    return answersOf(judge, results, this.info.dtype)
  }

  private run<Request>(
    requests: Source<Request>,
    encode: (request: Request, index: number) => Slices<EncodedRequest>,
    how: Omit<ScoreCallOptions, 'share'>,
  ): AsyncGenerator<ScoreResult, void, undefined> {
    const { share } = this.planner
    return new ScoreCall(this.queue, { ...how, share }, encode).results(requests)
  }

  private generation(options: GenerateOptions): GenerateSettings {
    checkOptions(options, generateOptionNames)
    return this.settingsOf(options, generateTokens)
  }

  private settingsOf(options: GenerateOptions, maxTokens: number): GenerateSettings {
    const { eosTokenIds, vocabSize } = this.info
    return generateSettings(options, { stopIds: eosTokenIds, maxTokens }, vocabSize)
  }

  private chatSettings(options: ChatOptions): GenerateSettings {
    checkOptions(options, chatOptionNames)
    const settings = this.settingsOf(options, chatTokens)
    if (templateOf(options) === 'release') return { ...settings, stop: [...settings.stop, releaseStop] }
    // A checkpoint's template writes its own BOS; the released form is plain text.
    const { encoding } = settings
    return { ...settings, encoding: { ...encoding, addBos: encoding.addBos ?? false } }
  }

  private readText(kind: 'prompt' | 'text', text: unknown, index: number): ReadText {
    const name = () => message`${{ kind, index }}`
    return readText(text, name, this.info.vocabSize)
  }

  private continue(
    prompts: Source<Text | undefined>,
    { encoding, n, sampling, priority, signal, partialOnAbort, onProgress, ...settings }: GenerateSettings,
    how: Pick<GenerateCallOptions, 'answersFirst' | 'onText' | 'onWrong' | 'keepsRows'>,
  ): AsyncGenerator<GenerateResult, void, undefined> {
    checkSource('prompts', prompts)
    const { contextLength, dtype } = this.info
    const { tokenizer } = this
    if (settings.stop.length > 0 && !tokenizer)
      throw new MtLlamaError(
        'TOKENIZER',
        message`${{ kind: 'option', name: 'stop' }} needs texts, but the checkpoint has no tokenizer. Leave it out${{ kind: 'remedy', option: 'stopIds', values: [] }}`,
      )
    const read = (prompt: unknown, index: number) => this.readText('prompt', prompt, index)
    const { context } = this
    const begin = function* (prompt: ReadText, stream: number): Slices<Continuation[]> {
      const encoded = yield* encodePrompt(context, prompt, stream, settings.maxTokens, encoding)
      if (!encoded) return []
      return Array.from({ length: n }, (_, choice) => {
        const own = { ...sampling, seed: choiceSeed(sampling.seed, choice) }
        const common = { ...settings, tokenizer, contextLength, dtype, stream }
        return new Continuation(encoded, { ...common, sampling: own })
      })
    }
    const options = { ...how, priority, signal, partialOnAbort, onProgress }
    if (!how.answersFirst && Array.isArray(prompts))
      return new GenerateCall(this.decoding, options, begin).results(readAll('prompts', prompts, read))
    const readAndBegin = (prompt: unknown, index: number) => begin(read(prompt, index), index)
    const prepare = how.onWrong ? orSkipped(readAndBegin, () => [], how.onWrong) : readAndBegin
    return new GenerateCall(this.decoding, options, prepare).results(prompts)
  }

  private stream(
    prompt: ReadText,
    settings: GenerateSettings,
    keepsRows = false,
  ): AsyncGenerator<string, GenerateResult, undefined> {
    if (settings.n > 1) throw wrongOption('n', settings.n, '1 where the text is streamed')
    const text = new TextStream()
    const onText = (piece: string) => text.push(piece)
    const results = this.continue([prompt], settings, { answersFirst: false, keepsRows, onText })
    return onLeave(piecesOf(text, results), () => void results.return())
  }
}
