// Puts what is asked to a model and yields a record for each sample, in order; the caller writes them and adds them up.
import { expectedTokens } from '../calls/expected-tokens.ts'
import { MtLlamaError, message } from '../errors.ts'
import type {
  Ask,
  Form,
  GenerateAsk,
  GenerateForm,
  RankAsk,
  RankForm,
  RollAsk,
  RollForm,
} from '../protocols/protocol.ts'
import type { ScoreCache } from '../scoring/cache.ts'
import type { ScoreProgress } from '../scoring/request.ts'
import { Prompts } from './prompts.ts'
import { RankRequests } from './rank-requests.ts'
import type { GenerateRecord, RankRecord, RollRecord, SampleRecord, Settings } from './results.ts'
import type { Scorer } from './scorer.ts'
import { answerScores, tokenScores } from './token-scores.ts'
import { sampleName, type Work } from './work.ts'

export interface RunTaskOptions {
  /** How many samples at the start are left out, since an earlier run has done them. */
  skip: number
  tooLong: Settings['tooLong']
  cache: ScoreCache | undefined
  signal: AbortSignal | undefined
  /**
   * @param tokens that the model has run so far for this task
   * @param total what they may come to; undefined while nothing tells
   */
  onTokens: (tokens: number, total: number | undefined) => void
}

/** Yields the samples' records in order. @throws ABORTED, and what scoring and generation throw, naming the sample */
export async function* runTask(
  model: Scorer,
  work: Work,
  options: RunTaskOptions,
): AsyncGenerator<SampleRecord> {
  const { form } = work
  const asks = work.asks.slice(options.skip)
  const requests = form.kind === 'rank' ? new RankRequests(form, new Prompts(model, form)) : undefined
  try {
    if (form.kind === 'rank') yield* rank(model, form, requests!, asks as RankAsk[], options)
    else if (form.kind === 'roll') yield* roll(model, form, asks as RollAsk[], options)
    else yield* generate(model, form, asks as GenerateAsk[], options)
  } catch (error) {
    if (!(error instanceof MtLlamaError)) throw error
    // Scoring calls the samples requests; the user knows them as samples of a task.
    throw error.reworded(term => {
      if (term.kind !== 'request' && term.kind !== 'prompt') return undefined
      return sampleName(work, options.skip + (requests?.askOf(term.index) ?? term.index))
    })
  }
}

async function* rank(
  model: Scorer,
  form: RankForm,
  requests: RankRequests,
  asks: readonly RankAsk[],
  { tooLong, cache, signal, onTokens }: RunTaskOptions,
): AsyncGenerator<RankRecord> {
  const results = model.scoreStream(requests.of(asks), {
    tooLong,
    ...(cache && { cache }),
    ...(form.boundary && { boundary: form.boundary }),
    ...(signal && { signal }),
    onProgress: progress => {
      const { requestsPlanned, tokensDone } = progress
      const planned = requestsPlanned > 0 ? requests.askOf(requestsPlanned - 1) + 1 : 0
      onTokens(tokensDone, expectedTokens(progress, planned, asks.length))
    },
  })
  for await (const { ask, continuations, truncatedTokens, ...answered } of requests.answers(asks, results)) {
    const answer = { ...answered.answer, ...tokenScores(continuations, model.tokenizer) }
    const { logLikelihoods, unconditional } = answer
    if ([...logLikelihoods, ...(unconditional ?? [])].every(Number.isFinite))
      yield { ...ask, ...answer, ...form.judge(ask, answer), truncatedTokens }
    else
      yield {
        ...{ ...ask, ...answer },
        logLikelihoods: logLikelihoods.map(finiteOrNull),
        ...(unconditional && { unconditional: unconditional.map(finiteOrNull) }),
        ...wrong(form, ask),
        truncatedTokens,
      }
  }
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

async function* generate(
  model: Scorer,
  form: GenerateForm,
  asks: readonly GenerateAsk[],
  { tooLong, signal, onTokens }: RunTaskOptions,
): AsyncGenerator<GenerateRecord> {
  const prompts = new Prompts(model, form)
  const stopIds = form.stopIds?.(prompts.tokenizer)
  const results = model.generateEach(
    lazily(asks, ask => prompts.next(ask)),
    {
      maxTokens: form.maxTokens,
      // A NaN is noted in the sample's record; the caller decides whether it is an error.
      allowNan: true,
      stop: form.stop,
      ...(stopIds && { stopIds }),
      tooLong,
      ...(signal && { signal }),
      onProgress: progress =>
        onTokens(progress.tokensDone, expectedTokens(progress, progress.promptsPlanned, asks.length)),
    },
  )
  let i = 0
  for await (const { text, tokens, finishReason, logProbs, ...result } of results) {
    const prompt = prompts.take(i)
    const truncatedTokens = result.truncatedTokens + prompt.truncatedTokens
    const ask = asks[i++]!
    const answer = {
      generated: form.decode?.(prompt.ids, tokens, prompts.tokenizer) ?? text,
      ...answerScores({ tokens, logProbs }, model.tokenizer),
    }
    const judged = logProbs.every(Number.isFinite)
      ? form.judge(ask, answer)
      : { ...wrong(form, ask), notFinite: true as const }
    yield { ...ask, ...answer, finishReason, ...judged, truncatedTokens }
  }
}

/** Number of texts that are scored at once: their windows fill the model's packs. */
const rolledAtOnce = 8

async function* roll(
  model: Scorer,
  form: RollForm,
  asks: readonly RollAsk[],
  { signal, onTokens }: RunTaskOptions,
): AsyncGenerator<RollRecord> {
  let done = 0
  let charactersDone = 0
  const characters = asks.reduce((sum, { prompt }) => sum + prompt.length, 0)
  /** How far the texts are that are being scored. */
  const running = new Map<number, { tokens: number; characters: number }>()
  const tell = () => {
    let [tokens, read] = [done, charactersDone]
    for (const text of running.values()) {
      tokens += text.tokens
      read += text.characters
    }
    onTokens(tokens, read > 0 ? Math.round((tokens * characters) / read) : undefined)
  }
  const score = (ask: RollAsk, index: number) => {
    const onProgress = (progress: ScoreProgress) => {
      const { tokensDone: tokens, requestsPlanned, requestsTotal } = progress
      const total = expectedTokens(progress, requestsPlanned, requestsTotal)
      running.set(index, { tokens, characters: total ? (ask.prompt.length * tokens) / total : 0 })
      tell()
    }
    return model.perplexity(ask.prompt, { ...(signal && { signal }), onProgress }).catch((error: unknown) => {
      if (!(error instanceof MtLlamaError)) throw error
      throw new MtLlamaError(error.code, message`${{ kind: 'prompt', index }}: ${error.message}`, {
        cause: error,
      })
    })
  }
  for (let start = 0; start < asks.length; start += rolledAtOnce) {
    const some = asks.slice(start, start + rolledAtOnce)
    const results = await Promise.all(some.map((ask, i) => score(ask, start + i)))
    running.clear()
    for (const [i, { logLikelihood, tokens }] of results.entries()) {
      const ask = some[i]!
      done += tokens
      charactersDone += ask.prompt.length
      tell()
      const answer = { logLikelihood, tokens }
      if (Number.isFinite(logLikelihood))
        yield { ...ask, ...answer, ...form.judge(ask, answer), truncatedTokens: 0 }
      else yield { ...ask, ...answer, logLikelihood: null, ...wrong(form, ask), truncatedTokens: 0 }
    }
  }
}

function* lazily<From, To>(items: readonly From[], make: (item: From) => To): Generator<To> {
  for (const item of items) yield make(item)
}

/** The outcome of an answer that means nothing: all scores are 0, and for F1 the wrong one of two classes is predicted. */
export function wrong({ metrics }: Form, ask: Ask) {
  const scores = Object.fromEntries(metrics.map(name => [name, 0]))
  if (ask.kind !== 'rank') return { prediction: null, scores }
  const { f1: _, ...others } = scores
  const positive = positiveOf(ask, metrics)
  if (positive === undefined) return { prediction: null, scores: others }
  const right = Number(ask.gold === positive)
  return { prediction: null, scores: { ...others, f1: 1 - right }, pairedWith: { f1: right } }
}

/** Templates say which choice is class 1; in task files with f1 it is the second. */
function positiveOf({ positive, template }: RankAsk, metrics: readonly string[]): number | undefined {
  return positive ?? (template === undefined && metrics.includes('f1') ? 1 : undefined)
}
