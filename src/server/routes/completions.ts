// POST /v1/completions, as OpenAI's API has it (platform.openai.com/docs/api-reference/completions) with the fields that vLLM
// adds to it. `echo` with `logprobs` gives the log-probabilities of the prompt's own tokens, by which
// lm-evaluation-harness scores continuations (lm_eval/models/openai_completions.py: with max_tokens 1 it takes the entries
// between the context and the one new token, and calls them greedy where each equals the largest of its top_logprobs).
import { drain, inSlices, type Slices } from '../../calls/slices.ts'
import type { Text } from '../../calls/text.ts'
import type { GeneratedText } from '../../generation/options.ts'
import type { Model } from '../../model.ts'
import type { Alternative } from '../../scoring/request.ts'
import { tokensOf } from '../admission.ts'
import { answerHead, textUsage } from '../answer-fields.ts'
import { finishOf, generateTexts, growing, type OnText, type SoFar } from '../generation.ts'
import { HttpError } from '../http-error.ts'
import { checkModel, promptIds, promptList, sum } from '../prompts.ts'
import { type Answer, type Call, post } from '../route.ts'
import { samplingFields, takesBest } from '../sampling.ts'
import { maybe, object, type Static, Type } from '../schema.ts'
import { boolean, common, count, encoding, nullable, prompts, usage } from '../schemas.ts'
import { eventStream } from '../sse.ts'
import { codePoints, decoded, TextOffsets, tokenText } from '../token-texts.ts'

const defaultTokens = 16
/** Entries with their alternatives that take about a millisecond. */
const entriesPerSlice = 256
/** Alternatives of a token that a request may ask for. */
export const maxLogprobs = 20

const body = object({
  ...common,
  prompt: prompts,
  /** 0 gives the prompt alone, with echo. */
  max_tokens: maybe(count),
  logprobs: maybe(Type.Integer({ minimum: 0, maximum: maxLogprobs, description: `0 to ${maxLogprobs}` })),
  echo: maybe(boolean),
  ...samplingFields,
  ...encoding,
  /** No more than n, which is what all texts are given back for. */
  best_of: maybe(Type.Integer({ minimum: 1 })),
  suffix: maybe(Type.Literal('', { description: 'nothing: text cannot be inserted' })),
})
type Body = Static<typeof body>

const logprobs = object({
  tokens: Type.Array(Type.String()),
  token_logprobs: Type.Array(nullable(Type.Number())),
  top_logprobs: Type.Array(nullable(Type.Record(Type.String(), Type.Number()))),
  text_offset: Type.Array(count),
})
const choice = object({
  index: count,
  text: Type.String(),
  logprobs: nullable(logprobs),
  finish_reason: nullable(Type.Union([Type.Literal('stop'), Type.Literal('length')])),
})

export const completions = post({
  path: '/v1/completions',
  summary: 'Texts that follow prompts, and log-probabilities of prompts',
  body,
  answer: object({
    id: Type.String(),
    object: Type.Literal('text_completion'),
    created: count,
    model: Type.String(),
    choices: Type.Array(choice),
    usage,
  }),
  types: ['text/event-stream'],
  subject: { field: 'prompt' },
  handle: complete,
})

type Logprobs = Static<typeof logprobs>

/** A token with what the model says of it; null for the first of a text, which nothing predicts. */
interface Entry {
  id: number
  logProb: number | null
  alternatives: readonly Alternative[]
}

async function complete(body: Body, call: Call): Promise<Answer> {
  const { app } = call
  checkModel(app, body.model)
  const maxTokens = body.max_tokens ?? defaultTokens
  const n = body.n ?? 1
  if (body.best_of != null && body.best_of !== n)
    throw new HttpError(400, 'best_of: expected as many as n, or nothing', { param: 'best_of' })
  if (maxTokens === 0 && !body.echo)
    throw new HttpError(400, 'max_tokens is 0 without echo: there is nothing to answer', {
      param: 'max_tokens',
    })
  const list = promptList(body.prompt, app)
  const ids = await promptIds(list, call, body.add_special_tokens)
  const tokens = sum(ids.map(({ length }) => length))
  const request = new Completion(body, call, await promptsOf(body, call, list, ids), maxTokens, n)
  // Each choice has the prompt once more where it is echoed.
  call.enter(tokensOf(body.echo ? tokens * n : tokens, ids.length * n, maxTokens, body.logprobs ?? 0))
  return body.stream ? eventStream(request.stream()) : request.answer()
}

/** The prompts with what `echo` says of them. */
async function promptsOf(
  { echo }: Body,
  call: Call,
  given: readonly Text[],
  ids: readonly Int32Array[],
): Promise<Prompt[]> {
  const { tokenizer, info } = call.app.model
  if (!echo) return ids.map(own => ({ ids: own, text: '', added: 0 }))
  const beginsWithBos = (text: Text, i: number) =>
    typeof text === 'string' && ids[i]!.length > 0 && ids[i]![0] === info.bosTokenId
  const asWritten = (await promptIds(given.filter(beginsWithBos), call, false)).values()
  const prompts: Prompt[] = []
  for (const [i, own] of ids.entries()) {
    const text = given[i]!
    const added = beginsWithBos(text, i) ? own.length - asWritten.next().value!.length : 0
    const shown =
      typeof text === 'string' ? text : tokenizer && inSlices(decoded(tokenizer, own), call.signal)
    prompts.push({ ids: own, text: (await shown) ?? '', added })
  }
  return prompts
}

/** What a prompt's own tokens are, and the likeliest ones after them, if those were asked of the same pass. */
interface PromptScores {
  /** Of its tokens after the first, and of what they were taken from. */
  logProbs: readonly number[]
  alternatives: readonly (readonly Alternative[])[]
  next: readonly Alternative[] | undefined
}

class Completion {
  private readonly body: Body
  private readonly call: Call
  private readonly model: Model
  private readonly prompts: readonly Prompt[]
  private readonly maxTokens: number
  private readonly n: number
  /** Where the new tokens of each text that has begun stand in it. */
  private readonly offsets = new Map<number, TextOffsets>()
  private readonly head: object

  constructor(body: Body, call: Call, prompts: readonly Prompt[], maxTokens: number, n: number) {
    this.body = body
    this.call = call
    this.model = call.app.model
    this.prompts = prompts
    this.maxTokens = maxTokens
    this.n = n
    this.head = answerHead(call, 'cmpl', 'text_completion')
  }

  /** The whole, written choice by choice: a large answer takes the event loop's thread long. */
  async answer(): Promise<Answer> {
    const scores = await this.promptScores()
    const texts = await this.texts(scores)
    const choices = await inSlices(this.choices(scores, texts), this.call.signal)
    const [head, tail] = [this.head, { usage: this.usage(texts) }].map(part =>
      JSON.stringify(part).slice(1, -1),
    )
    return { text: `{${head},"choices":[${choices.join()}],${tail}}`, type: 'application/json' }
  }

  /** The choices as JSON. */
  private *choices(scores: readonly PromptScores[], texts: readonly GeneratedText[]): Slices<string[]> {
    const choices: string[] = []
    for (const [index, text] of texts.entries()) {
      const prompt = this.promptOf(index)
      const entries = yield* this.promptPart(prompt, scores[Math.floor(index / this.n)])
      choices.push(
        JSON.stringify({
          index,
          text: (this.body.echo ? prompt.text : '') + text.text,
          logprobs: yield* this.logprobs([...entries, ...this.newPart(index, text)]),
          finish_reason: finishOf(text),
        }),
      )
      yield
    }
    return choices
  }

  async *stream(): AsyncGenerator<object, void, undefined> {
    const scores = await this.promptScores()
    if (this.body.echo)
      for (let index = 0; index < this.prompts.length * this.n; index++)
        yield await this.promptChunk(index, scores)
    const { growths, ended } = growing(onText => this.texts(scores, onText))
    for await (const { index, piece, part, finish } of growths) {
      this.call.firstToken()
      const logprobs = drain(this.logprobs(this.newPart(index, part)))
      yield this.chunk(index, piece, logprobs, finish)
    }
    const used = this.usage(await ended)
    if (this.body.stream_options?.include_usage) yield { ...this.head, choices: [], usage: used }
  }

  private promptOf(index: number): Prompt {
    return this.prompts[Math.floor(index / this.n)]!
  }

  private async promptChunk(index: number, scores: readonly PromptScores[]): Promise<object> {
    const at = Math.floor(index / this.n)
    const prompt = this.prompts[at]!
    const logprobs = await inSlices(this.promptLogprobs(prompt, scores[at]), this.call.signal)
    return this.chunk(index, prompt.text, logprobs, null)
  }

  private *promptLogprobs(prompt: Prompt, scores: PromptScores | undefined): Slices<Logprobs | null> {
    return yield* this.logprobs(yield* this.promptPart(prompt, scores))
  }

  private chunk(
    index: number,
    text: string,
    logprobs: Logprobs | null,
    finish_reason: string | null,
  ): object {
    const usage = this.body.stream_options?.include_usage ? { usage: null } : {}
    return { ...this.head, choices: [{ index, text, logprobs, finish_reason }], ...usage }
  }

  /** The scores of all prompts' tokens, in one pass that shares what they begin with; none where they are not asked for. */
  private async promptScores(): Promise<PromptScores[]> {
    if (!this.body.echo || this.body.logprobs == null) return []
    const topK = Math.max(1, this.body.logprobs)
    // Scoring any token after the prompt gives the alternatives to it, the best of which is the next one.
    const asked = this.prompts.map(({ ids }) =>
      Int32Array.from([...ids.subarray(1), ...(this.wantsNext ? [0] : [])]),
    )
    const scored = asked.flatMap((continuation, i) =>
      continuation.length === 0 || this.prompts[i]!.ids.length === 0
        ? []
        : [{ prompt: this.prompts[i]!.ids.subarray(0, 1), continuations: [continuation] }],
    )
    const how = { topK, addBos: false, ...this.call.work() }
    const results = (await this.model.score(scored, how)).values()
    return this.prompts.map(({ ids }, i) => {
      if (asked[i]!.length === 0 || ids.length === 0)
        return { logProbs: [], alternatives: [], next: undefined }
      const { tokenLogProbs, topAlternatives = [] } = results.next().value!.continuations[0]!
      const next = this.wantsNext ? topAlternatives.at(-1)! : undefined
      return { logProbs: tokenLogProbs, alternatives: topAlternatives, next }
    })
  }

  /** Whether the one new token is known from the pass over the prompt. */
  private get wantsNext(): boolean {
    const { echo, logprobs, stop } = this.body
    const isAlone = this.maxTokens === 1 && this.n === 1 && (stop ?? []).length === 0
    return Boolean(echo) && logprobs != null && isAlone && takesBest(this.body)
  }

  /** All texts, those of a prompt one after the other. */
  private async texts(scores: readonly PromptScores[], onText?: OnText): Promise<GeneratedText[]> {
    if (this.maxTokens === 0) return this.prompts.flatMap(() => Array.from({ length: this.n }, noText))
    if (this.wantsNext && scores.every(({ next }) => next))
      return scores.map(({ next }) => this.nextText(next!))
    const ids = this.prompts.map(prompt => prompt.ids)
    const topLogProbs = this.body.logprobs ?? 0
    const { body: sampling, call, maxTokens } = this
    return generateTexts(
      this.model,
      ids,
      { sampling, maxTokens, topLogProbs, keepsRows: false, call },
      onText ?? this.call.firstToken,
    )
  }

  /** The best next token as a text. One that ends texts is an entry of the log-probabilities, and no text. */
  private nextText(alternatives: readonly Alternative[]): GeneratedText {
    const { token, logProb } = alternatives[0]!
    const ends = this.model.info.eosTokenIds.includes(token)
    const decoder = ends ? undefined : this.model.tokenizer?.decodeStream({ skipSpecialTokens: true })
    return {
      text: decoder ? decoder.push(token) + decoder.end() : '',
      ...{ tokens: [token], logProbs: [logProb], topAlternatives: [[...alternatives]] },
      finishReason: ends ? 'stop' : 'length',
    }
  }

  /** Entries of the prompt, with where each begins in its text. */
  private *promptPart({ ids, text, added }: Prompt, scores: PromptScores | undefined): Slices<Placed[]> {
    const last = ids.at(-1)
    if (last === undefined || !scores) return []
    const places = new TextOffsets(this.model)
    const offsets: number[] = []
    for (const id of ids) {
      offsets.push(places.push(id))
      if (offsets.length % entriesPerSlice === 0) yield
    }
    // BOS and the space that SentencePiece puts before a text are in no text that was given.
    const all = offsets.at(-1)! + codePoints(tokenText(this.model, last))
    const before = Math.max(0, all - codePoints(text))
    const entries = Array.from(ids, (id, i) => ({
      ...{ id, logProb: i <= added ? null : scores.logProbs[i - 1]! },
      alternatives: i <= added ? [] : scores.alternatives[i - 1]!,
      offset: Math.max(0, offsets[i]! - before),
    }))
    return entries.slice(added)
  }

  /** Entries of new tokens, which follow those of text `index` that came before. */
  private newPart(index: number, { tokens, logProbs, topAlternatives }: SoFar): Placed[] {
    if (this.body.logprobs == null) return []
    const start = this.body.echo ? codePoints(this.promptOf(index).text) : 0
    const offsets = this.offsets.get(index) ?? new TextOffsets(this.model, start)
    this.offsets.set(index, offsets)
    return tokens.map((id, i) => ({
      ...{ id, logProb: logProbs[i]!, offset: offsets.push(id) },
      alternatives: topAlternatives?.[i] ?? [],
    }))
  }

  private *logprobs(entries: readonly Placed[]): Slices<Logprobs | null> {
    if (this.body.logprobs == null) return null
    const logprobs: Logprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] }
    for (const [i, entry] of entries.entries()) {
      logprobs.tokens.push(tokenText(this.model, entry.id))
      logprobs.token_logprobs.push(entry.logProb)
      logprobs.top_logprobs.push(this.topLogprobs(entry))
      logprobs.text_offset.push(entry.offset)
      if (i % entriesPerSlice === entriesPerSlice - 1) yield
    }
    return logprobs
  }

  /** The best tokens and the one that is there, by their texts; of two with one text the likelier one counts. */
  private topLogprobs({ id, logProb, alternatives }: Entry): Record<string, number> | null {
    if (logProb === null) return null
    // An object would have "constructor" and others of its own, and these are texts of tokens.
    const top = new Map<string, number>()
    const shown = alternatives.slice(0, this.body.logprobs ?? 0)
    for (const { token, logProb: own } of [...shown, { token: id, logProb }]) {
      const text = tokenText(this.model, token)
      top.set(text, Math.max(top.get(text) ?? Number.NEGATIVE_INFINITY, own))
    }
    return Object.fromEntries(top)
  }

  private usage(texts: readonly GeneratedText[]): Static<typeof usage> {
    return textUsage(this.call, sum(this.prompts.map(({ ids }) => ids.length)), texts)
  }
}

interface Prompt {
  text: string
  ids: Int32Array
  /**
   * Tokens before those of the text: BOS, where the tokenizer adds it. It counts as a token of the prompt but is not listed, so that
   * the entries are those of the text, as clients reckon that encode it themselves, such as lm-evaluation-harness.
   */
  added: number
}
type Placed = Entry & { offset: number }
function noText(): GeneratedText {
  return { text: '', tokens: [], logProbs: [], finishReason: 'length' }
}
