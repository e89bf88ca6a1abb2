// Runs one task on a model, a record a sample in order; the caller writes them and adds them up.
import { MtLlamaError } from '../errors.ts'
import { perCharacter, rank } from '../metrics/accuracy.ts'
import { strip } from '../metrics/python-text.ts'
import type { Model } from '../model.ts'
import type { TaskSamples } from '../tasks/load-samples.ts'
import type { AnswerSample, AnswerTask, ChoiceSample } from '../tasks/task.ts'
import type { AnswerRecord, ChoiceRecord, SampleRecord, Settings } from './results.ts'

/** What running a task needs of a model. */
export type Scorer = Pick<Model, 'scoreStream' | 'generateEach' | 'info'>

export interface RunTaskOptions {
  tooLong: Settings['tooLong']
  signal: AbortSignal | undefined
  /** @param tokens run so far in this task */
  onTokens: (tokens: number) => void
}

/** Most new tokens of an answer. */
const answerTokens = 64

/** Yields the samples' records in order. @throws ABORTED, and what scoring and generation throw, naming the sample */
export async function* runTask(
  model: Scorer,
  work: TaskSamples,
  options: RunTaskOptions,
): AsyncGenerator<SampleRecord> {
  const { task, samples } = work
  try {
    if (task.kind === 'choice') yield* rankChoices(model, samples as ChoiceSample[], options)
    else yield* answerQuestions(model, task, samples as AnswerSample[], options)
  } catch (error) {
    if (!(error instanceof MtLlamaError)) throw error
    // Scoring knows the samples as requests.
    throw error.reworded(term =>
      term.kind === 'request' || term.kind === 'prompt'
        ? `${task.title}, sample ${term.index + 1} (${JSON.stringify(samples[term.index]!.id)})`
        : undefined,
    )
  }
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
    const logLikelihoods = continuations.map(continuation => continuation.logLikelihood)
    const { prediction, tied } = rank(logLikelihoods)
    const normalised = rank(perCharacter(logLikelihoods, choices)).prediction
    yield {
      ...{ id, prompt, choices, logLikelihoods, prediction, gold },
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
      stop: ['\n'],
      tooLong,
      ...(signal && { signal }),
      onProgress: progress => onTokens(progress.tokensDone),
    },
  )
  let i = 0
  for await (const { text, finishReason, truncatedTokens } of results) {
    const { id, prompt, answers } = samples[i++]!
    const prediction = strip(text)
    const scores = task.metric(prediction, answers)
    yield {
      ...{ id, prompt, generated: text, prediction, answers },
      ...scores,
      finishReason,
      truncatedTokens,
    }
  }
}
