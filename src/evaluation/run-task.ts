// Runs one task on a model and yields a record for each sample, in order; the caller writes them and adds them up.
import { MtLlamaError } from '../errors.ts'
import { perCharacter, rank } from '../metrics/accuracy.ts'
import { strip } from '../metrics/python-text.ts'
import type { Model } from '../model.ts'
import type { TaskSamples } from '../tasks/load-samples.ts'
import type { AnswerSample, AnswerTask, ChoiceSample } from '../tasks/task.ts'
import type { AnswerRecord, ChoiceRecord, SampleRecord, Settings } from './results.ts'

/** The part of a model that running a task needs. */
export type Scorer = Pick<Model, 'scoreStream' | 'generateEach' | 'info'>

export interface RunTaskOptions {
  /** How many samples at the start are left out, since an earlier run has done them. */
  skip: number
  tooLong: Settings['tooLong']
  signal: AbortSignal | undefined
  /** @param tokens that the model has run so far for this task */
  onTokens: (tokens: number) => void
}

/** Maximum of new tokens in an answer. */
const answerTokens = 64

/** Yields the samples' records in order. @throws ABORTED, and what scoring and generation throw, naming the sample */
export async function* runTask(
  model: Scorer,
  work: TaskSamples,
  options: RunTaskOptions,
): AsyncGenerator<SampleRecord> {
  const { task } = work
  const samples = work.samples.slice(options.skip)
  try {
    if (task.kind === 'choice') yield* rankChoices(model, samples as ChoiceSample[], options)
    else yield* answerQuestions(model, task, samples as AnswerSample[], options)
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

/** The name of a sample in messages: 'COPA, sample 3 ("2")' for the index 2. */
export function sampleName({ task, samples }: TaskSamples, index: number): string {
  return `${task.title}, sample ${index + 1} (${JSON.stringify(samples[index]!.id)})`
}

async function* rankChoices(
  model: Scorer,
  samples: ChoiceSample[],
  { tooLong, signal, onTokens }: RunTaskOptions,
): AsyncGenerator<ChoiceRecord> {
  const requests = samples.map(({ prompt, choices }) => ({
    prompt,
    continuations: choices.map(choice => ` ${choice}`),
  }))
  const results = model.scoreStream(requests, {
    tooLong,
    ...(signal && { signal }),
    onProgress: progress => onTokens(progress.tokensDone),
  })
  let i = 0
  for await (const { continuations, truncatedTokens } of results) {
    const { id, prompt, choices, gold } = samples[i++]!
    const scores = continuations.map(continuation => continuation.logLikelihood)
    if (!scores.every(Number.isFinite)) {
      const logLikelihoods = scores.map(score => (Number.isFinite(score) ? score : null))
      yield {
        ...{ id, prompt, choices, logLikelihoods, prediction: -1, gold },
        ...{ correct: false, correctNormalised: false, tied: false, truncatedTokens },
      }
      continue
    }
    const { prediction, tied } = rank(scores)
    const normalised = rank(perCharacter(scores, choices)).prediction
    yield {
      ...{ id, prompt, choices, logLikelihoods: scores, prediction, gold },
      correct: prediction === gold,
      correctNormalised: normalised === gold,
      ...{ tied, truncatedTokens },
    }
  }
}

async function* answerQuestions(
  model: Scorer,
  task: AnswerTask,
  samples: AnswerSample[],
  { tooLong, signal, onTokens }: RunTaskOptions,
): AsyncGenerator<AnswerRecord> {
  const results = model.generateEach(
    samples.map(sample => sample.prompt),
    {
      maxTokens: answerTokens,
      // A NaN is noted in the sample's record; the caller decides whether it is an error.
      allowNan: true,
      stop: ['\n'],
      tooLong,
      ...(signal && { signal }),
      onProgress: progress => onTokens(progress.tokensDone),
    },
  )
  let i = 0
  for await (const { text, finishReason, logProbs, truncatedTokens } of results) {
    const { id, prompt, answers } = samples[i++]!
    const prediction = strip(text)
    const allFinite = logProbs.every(Number.isFinite)
    yield {
      ...{ id, prompt, generated: text, prediction, answers },
      ...(allFinite ? task.metric(prediction, answers) : { exactMatch: 0, f1: 0 }),
      finishReason,
      ...(!allFinite && { notFinite: true as const }),
      truncatedTokens,
    }
  }
}
