// A loaded model: scoring, generation, chat. Thin: each method hands on to its own room, which reads the options.

import { booleanOption, checkOptions } from './calls/options.ts'
import type { OnWrong } from './calls/or-skipped.ts'
import { collect, type Source } from './calls/source.ts'
import type { Text } from './calls/text.ts'
import type { WorkDone } from './calls/work-done.ts'
import { ChatSession } from './chat/chat-session.ts'
import type { ChatMessage } from './chat/chat-template.ts'
import {
  type ChatOptions,
  type ChatSessionOptions,
  type ChatTemplateOptions,
  chatTemplateOptionNames,
  templateOf,
} from './chat/options.ts'
import { type ChatModel, chatPrompt, chatSettings } from './chat/prompt.ts'
import { type EmbedModel, embed } from './embedding/embed.ts'
import type { EmbedOptions, EmbedResult } from './embedding/options.ts'
import { message } from './errors.ts'
import { ModelGeneration, type TextsOptions } from './generation/model-generation.ts'
import type { GenerateOptions, GenerateResult } from './generation/options.ts'
import type { GenerateSettings } from './generation/settings.ts'
import { type ModelInfo, type ModelParts, modelInfo } from './model/info.ts'
import { logits } from './model/logits.ts'
import { kvBytesPerToken } from './model/memory.ts'
import type { PlannerOptions } from './model/planner-options.ts'
import { freeModel } from './native/job.ts'
import type { ScoreCache } from './scoring/cache.ts'
import type { EncodeContext, EncodeSettings } from './scoring/encode.ts'
import { ModelScoring, type OnTokens } from './scoring/model-scoring.ts'
import type { Prefix, PrefixOptions } from './scoring/prefix.ts'
import type { ScoreOptions, ScoreRequest, ScoreResult } from './scoring/request.ts'
import type { PerplexityOptions, PerplexityResult } from './scoring/rolling.ts'
import type { Tokenizer } from './tokenizer/tokenizer.ts'
import { type Classification, Classifier, type ClassifyOptions } from './zero-shot/classify.ts'
import type { ItemJudge } from './zero-shot/judge.ts'
import { judging } from './zero-shot/judging.ts'
import type { JudgeOptions } from './zero-shot/options.ts'
import { byRelevance, type RankedDocument, Ranker, type RankOptions } from './zero-shot/rank.ts'

/** Made by loadModel(). Calls may overlap: they queue fairly and share packs and steps. */
export class Model {
  readonly info: ModelInfo
  /** undefined for a checkpoint without one: it takes token ids. */
  readonly tokenizer: Tokenizer | undefined
  private readonly parts: ModelParts
  private readonly context: EncodeContext
  private readonly scoring: ModelScoring
  private readonly generation: ModelGeneration
  private readonly closing = new AbortController()

  /** @internal */
  constructor(parts: ModelParts, { share }: PlannerOptions) {
    const { native, tokenizer, checkpoint, packTokens, kvBytes } = parts
    const { config } = checkpoint
    this.parts = parts
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
    const { context } = this
    const { dtype } = this.info
    const { signal: closing } = this.closing
    this.scoring = new ModelScoring({ native, context, packTokens, prefixTokens: kvTokens, share, closing })
    this.generation = new ModelGeneration({
      ...{ native, context, packTokens, kvTokens },
      ...{ dtype, eosTokenIds: this.info.eosTokenIds },
    })
  }

  /**
   * Log-likelihoods of continuations given prompts, in the order of the requests. An array is read at the call: what it
   * holds may be changed then. Another source is read as requests are needed.
   * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH naming the request; TOKENIZER, ABORTED, DISPOSED
   */
  async score(requests: Source<ScoreRequest>, options: ScoreOptions = {}): Promise<ScoreResult[]> {
    return collect(this.scoring.score(requests, options, false))
  }

  /**
   * score() for any number of requests: reads a bounded number ahead, of an array too, and gives each result in its turn,
   * those before a request that is wrong too. Nothing is read before the first result is asked for; a loop that is left ends the call.
   */
  scoreStream(
    requests: Source<ScoreRequest>,
    options: ScoreOptions = {},
  ): AsyncGenerator<ScoreResult, void, undefined> {
    return this.scoring.score(requests, options, true)
  }

  /**
   * scoreStream() that skips a request that is wrong, and goes on. For undefined too there is the result of a skipped request.
   * @param onTokens told as a request has been read how many tokens it has, each shared prefix counted once
   * @internal
   */
  scoreOrSkip(
    requests: Source<ScoreRequest | undefined>,
    options: ScoreOptions,
    onWrong: OnWrong,
    onTokens?: OnTokens,
  ): AsyncGenerator<ScoreResult, void, undefined> {
    return this.scoring.score(requests, options, true, onWrong, onTokens)
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
    const results = await collect(embed(this.embedding, list, options, false))
    return typeof texts === 'string' ? results[0]! : results
  }

  /**
   * embed() for any number of texts: reads a bounded number ahead and gives each vector in its turn, those before a text that
   * is wrong too. Nothing is read before the first result is asked for; a loop that is left ends the call.
   */
  embedStream(texts: Source<Text>, options: EmbedOptions = {}): AsyncGenerator<EmbedResult, void, undefined> {
    return embed(this.embedding, texts, options, true)
  }

  /**
   * Keeps keys and values of a text that prompts of many calls begin with, as instructions and worked examples are: until
   * it is disposed of, score(), perplexity() and what they serve run only the tokens after it, and give the same bits. The
   * prompts stay whole. Where a token reaches from the text into the rest of a prompt, what comes before that token is found.
   * It takes as much memory as a generation over the same text.
   * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH, OUT_OF_MEMORY, TOKENIZER, ABORTED, DISPOSED
   */
  async prefix(text: Text, options: PrefixOptions = {}): Promise<Prefix> {
    return this.scoring.prefix(text, options)
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
    const settings = this.generation.settings(options)
    const list = typeof prompts === 'string' ? [prompts] : prompts
    const results = await collect(this.generation.texts(list, settings, { answersFirst: false }))
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
    return this.generation.texts(prompts, this.generation.settings(options), { answersFirst: true })
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
    return this.generation.texts(prompts, this.generation.settings(options), { answersFirst: true, onWrong })
  }

  /**
   * generate() of prompts as they will be run, which tells of each piece of a text as it becomes certain.
   * @param how what is told, and whether rows stay as those of conversations do
   * @internal
   */
  async generateTold(
    prompts: readonly Text[],
    options: GenerateOptions,
    how: Pick<TextsOptions, 'onText' | 'keepsRows'>,
  ): Promise<GenerateResult[]> {
    return collect(
      this.generation.texts(prompts, this.generation.settings(options), { answersFirst: false, ...how }),
    )
  }

  /**
   * The ids that a prompt is run as.
   * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE naming prompt `index`; TOKENIZER, ABORTED, DISPOSED
   * @internal
   */
  async promptIds(
    prompt: Text,
    index: number,
    settings: Pick<EncodeSettings, 'addBos' | 'parseSpecial'>,
    signal: AbortSignal,
  ): Promise<Int32Array> {
    return this.scoring.promptIds(
      this.generation.readPrompt(prompt, index),
      message`${{ kind: 'prompt', index }}`,
      settings,
      signal,
    )
  }

  /** One text, piece by piece as it becomes certain. The generator's return value is the result. */
  generateStream(
    prompt: Text,
    options: GenerateOptions = {},
  ): AsyncGenerator<string, GenerateResult, undefined> {
    const own = this.generation.readPrompt(prompt, 0)
    return this.generation.stream(own, this.generation.settings(options), false)
  }

  /**
   * Log-likelihood of a whole text over windows that slide, and the perplexities that follow from it. The first window is
   * scored after BOS, else EOS, which is not scored itself where the text begins with it.
   * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE; TOKENIZER, OUT_OF_MEMORY, ABORTED, DISPOSED
   */
  async perplexity(text: Text, options: PerplexityOptions = {}): Promise<PerplexityResult> {
    return this.scoring.perplexity(text, options)
  }

  /**
   * Logits after each of the ids, row-major [ids.length, vocabSize]; the ids are taken as they are.
   * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH, OUT_OF_MEMORY, ABORTED, DISPOSED
   */
  async logits(
    ids: ArrayLike<number | bigint>,
    options: { signal?: AbortSignal } = {},
  ): Promise<Float32Array> {
    const { native } = this.parts
    return logits(native, this.info.vocabSize, this.closing.signal, ids, options)
  }

  /**
   * An answer to a conversation: generate() on applyChatTemplate(). Keys and values of conversations stay while there is
   * room, so that the next turn costs its own tokens. @default maxTokens 512
   */
  async chat(messages: readonly ChatMessage[], options: ChatOptions = {}): Promise<GenerateResult> {
    const settings = this.chatSettings(options)
    const prompt = chatPrompt(this.chatModel, messages, templateOf(options), true)
    const [answer] = await collect(
      this.generation.texts([prompt], settings, { answersFirst: false, keepsRows: true }),
    )
    return answer!
  }

  /** chat(), piece by piece. */
  chatStream(
    messages: readonly ChatMessage[],
    options: ChatOptions = {},
  ): AsyncGenerator<string, GenerateResult, undefined> {
    const settings = this.chatSettings(options)
    const prompt = chatPrompt(this.chatModel, messages, templateOf(options), true)
    return this.generation.stream(prompt, settings, true)
  }

  /**
   * A conversation that keeps its messages: `const chat = model.chatSession({ system })`, then `await chat.send('Hello')`.
   * @param options of all its turns
   * @throws INVALID_ARGUMENT
   */
  chatSession(options: ChatSessionOptions = {}): ChatSession {
    return new ChatSession(this, options)
  }

  /**
   * A conversation as a prompt. It holds the special tokens its template writes, BOS among them, as texts.
   * @throws INVALID_ARGUMENT, CHAT_TEMPLATE
   */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string {
    checkOptions(options, chatTemplateOptionNames)
    const addGenerationPrompt = booleanOption(options, 'addGenerationPrompt', true)
    return chatPrompt(this.chatModel, messages, templateOf(options), addGenerationPrompt)
  }

  /**
   * Opens a folder with scores of earlier runs, for ScoreOptions.cache: those by this version with the same weights, number
   * format and kind of processor are found again, to the bit. The first time all files of the checkpoint are read, to be told from others.
   * @throws INVALID_ARGUMENT, OUTPUT, ABORTED, DISPOSED
   */
  async openScoreCache(folder: string, options: { signal?: AbortSignal } = {}): Promise<ScoreCache> {
    return this.scoring.openCache(folder, this.parts.checkpoint, this.info, options)
  }

  /** Jinja source of the checkpoint's own chat template. @internal */
  get chatTemplate(): string | undefined {
    return this.parts.checkpoint.chatTemplate
  }

  /** What has been run so far. @internal */
  get done(): { scoring: WorkDone; generation: WorkDone } {
    return { scoring: this.scoring.done, generation: this.generation.done }
  }

  /** Ends running calls with DISPOSED and frees the weights; resolves once their memory is free. */
  dispose(): Promise<void> {
    if (!this.closing.signal.aborted) {
      this.closing.abort()
      this.scoring.dispose()
      this.generation.dispose()
    }
    return freeModel(this.parts.native)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  private get embedding(): EmbedModel {
    const { native, packTokens } = this.parts
    return { native, packTokens, context: this.context, closing: this.closing.signal }
  }

  private get chatModel(): ChatModel {
    return { checkpoint: this.parts.checkpoint, tokenizer: this.tokenizer }
  }

  private judging<Answer>(
    items: Source<string>,
    judge: ItemJudge<Answer>,
    options: JudgeOptions,
    answersFirst: boolean,
  ): AsyncGenerator<Answer, void, undefined> {
    return judging(this.scoring, this.info.dtype, items, judge, options, answersFirst)
  }

  private chatSettings(options: ChatOptions): GenerateSettings {
    const { eosTokenIds, vocabSize } = this.info
    return chatSettings(options, eosTokenIds, vocabSize)
  }
}
