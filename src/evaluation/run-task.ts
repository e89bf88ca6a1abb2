// Puts what is asked to a model and yields a record for each sample, in order; the caller writes them and adds them up.
import type { Text } from '../calls/text.ts'
import { MtLlamaError } from '../errors.ts'
import type { Form, GenerateAsk, GenerateForm, RankAsk, RankForm } from '../protocols/protocol.ts'
import type { GenerateRecord, RankRecord, SampleRecord, Settings } from './results.ts'
import type { Scorer } from './scorer.ts'
import { sampleName, type Work } from './work.ts'

export interface RunTaskOptions {
  /** How many samples at the start are left out, since an earlier run has done them. */
  skip: number
  tooLong: Settings['tooLong']
  signal: AbortSignal | undefined
  /** @param tokens that the model has run so far for this task */
  onTokens: (tokens: number) => void
}

/** Yields the samples' records in order. @throws ABORTED, and what scoring and generation throw, naming the sample */
export async function* runTask(
  model: Scorer,
  work: Work,
  options: RunTaskOptions,
): AsyncGenerator<SampleRecord> {
  const { form } = work
  const asks = work.asks.slice(options.skip)
  try {
    if (form.kind === 'rank') yield* rank(model, form, asks as RankAsk[], options)
    else yield* generate(model, form, asks as GenerateAsk[], options)
  } catch (error) {
    if (!(error instanceof MtLlamaError)) throw error
    // Scoring calls the samples requests; the user knows them as samples of a task.
    throw error.reworded(term =>
      term.kind === 'request' || term.kind === 'prompt'
        ? sampleName(work, options.skip + term.index)
        : undefined,
    )
  }
}

async function* rank(
  model: Scorer,
  form: RankForm,
  asks: readonly RankAsk[],
  { tooLong, signal, onTokens }: RunTaskOptions,
): AsyncGenerator<RankRecord> {
  const requests = asks.map(({ prompt, choices }) => ({
    prompt: encoded(model, form, prompt),
    continuations: choices.map(choice => form.delimiter + choice),
  }))
  const results = model.scoreStream(requests, {
    tooLong,
    ...(signal && { signal }),
    onProgress: progress => onTokens(progress.tokensDone),
  })
  let i = 0
  for await (const { continuations, truncatedTokens } of results) {
    const ask = asks[i++]!
    const logLikelihoods = continuations.map(({ logLikelihood }) => logLikelihood)
    const answer = { logLikelihoods, tokens: continuations.map(({ tokens }) => tokens.length) }
    if (logLikelihoods.every(Number.isFinite))
      yield { ...ask, ...answer, ...form.judge(ask, answer), truncatedTokens }
    else
      yield {
        ...{ ...ask, ...answer },
        logLikelihoods: logLikelihoods.map(value => (Number.isFinite(value) ? value : null)),
        ...wrong(form),
        truncatedTokens,
      }
  }
}

async function* generate(
  model: Scorer,
  form: GenerateForm,
  asks: readonly GenerateAsk[],
  { tooLong, signal, onTokens }: RunTaskOptions,
): AsyncGenerator<GenerateRecord> {
  const results = model.generateEach(
    asks.map(({ prompt }) => encoded(model, form, prompt)),
    {
      maxTokens: form.maxTokens,
      // A NaN is noted in the sample's record; the caller decides whether it is an error.
      allowNan: true,
      stop: form.stop,
      tooLong,
      ...(signal && { signal }),
      onProgress: progress => onTokens(progress.tokensDone),
    },
  )
  let i = 0
  for await (const { text, finishReason, logProbs, truncatedTokens } of results) {
    const ask = asks[i++]!
    const answer = { generated: text }
    const judged = logProbs.every(Number.isFinite)
      ? form.judge(ask, answer)
      : { ...wrong(form), notFinite: true as const }
    yield { ...ask, ...answer, finishReason, ...judged, truncatedTokens }
  }
}

function encoded(model: Scorer, { encode }: Form, prompt: string): Text {
  if (!encode) return prompt
  if (!model.tokenizer)
    throw new MtLlamaError('TOKENIZER', `${model.info.path} has no tokenizer, which the protocol needs`)
  return encode(prompt, model.tokenizer)
}

/** The outcome of an answer that means nothing. */
function wrong({ metrics }: Form) {
  return { prediction: null, scores: Object.fromEntries(metrics.map(name => [name, 0])) }
}
