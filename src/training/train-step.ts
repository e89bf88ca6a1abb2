// One step of training: the packs of its examples forward and backward, then the update of the weights.
import { MtLlamaError } from '../errors.ts'
import { abortableJob } from '../native/job.ts'
import type { NativeModel, NativeStep, NativeTrainer } from '../native/types.ts'
import type { TrainingExample } from './examples.ts'
import { packExamples, type TrainingPack } from './packing.ts'

export interface StepFigures {
  /** The mean negative log-likelihood of the tokens that the loss is on. */
  loss: number
  /** The share of these tokens that the model had as the likeliest. */
  accuracy: number
  /** Of all gradients, before they are clipped. */
  norm: number
  /** Tokens that were run, and those that the loss is on. */
  tokens: number
  scoredTokens: number
}

/**
 * Makes one step. Each pack adds the gradients of its share of the mean over all tokens of the step, so how examples come
 * to lie in packs changes the loss by rounding alone.
 * @throws SCORE_NOT_FINITE where the loss or the norm is no finite number, naming the step and the examples; ABORTED. In
 *   both cases no weight has changed.
 */
export async function trainStep(
  trainer: NativeTrainer,
  examples: readonly TrainingExample[],
  packTokens: number,
  options: NativeStep,
  signal?: AbortSignal,
): Promise<StepFigures> {
  const packs = weightedPacks(examples, packTokens)
  let [loss, correct] = [0, 0]
  for (const pack of packs) {
    const done = await abortableJob(signal, control => trainer.forwardBackward(pack, control))
    if (!Number.isFinite(done.loss))
      throw notFinite(
        'loss',
        done.loss,
        options.step,
        pack.examples.map(i => examples[i]!),
      )
    loss += done.loss
    correct += done.correct
  }
  // An update is over soon, and half of one would be worse than a late end.
  const norm = await abortableJob(undefined, control => trainer.step(options, control))
  if (!Number.isFinite(norm)) throw notFinite('norm of the gradients', norm, options.step, examples)
  const { tokens, scoredTokens } = countsOf(packs)
  return { loss, accuracy: correct / scoredTokens, norm, tokens, scoredTokens }
}

/** The mean negative log-likelihood of the tokens that the loss is on, by a model as it is. @throws ABORTED */
export async function meanLoss(
  model: Pick<NativeModel, 'score'>,
  examples: readonly TrainingExample[],
  packTokens: number,
  signal?: AbortSignal,
): Promise<number> {
  let loss = 0
  for (const pack of weightedPacks(examples, packTokens)) {
    const { logProbs } = await abortableJob(signal, control => model.score({ ...pack, topK: 0 }, control))
    for (const [i, logProb] of logProbs.entries()) loss -= pack.weights[i]! * logProb
  }
  return loss
}

/** Packs whose weights make the sum of their losses the mean over all of them. */
function weightedPacks(examples: readonly TrainingExample[], packTokens: number): TrainingPack[] {
  const packs = packExamples(examples, { packTokens })
  let total = 0
  for (const { weights } of packs) for (const weight of weights) total += weight
  return packs.map(pack => ({ ...pack, weights: pack.weights.map(weight => weight / total) }))
}

function countsOf(packs: readonly TrainingPack[]): Pick<StepFigures, 'tokens' | 'scoredTokens'> {
  const sum = (of: (pack: TrainingPack) => number) => packs.reduce((n, pack) => n + of(pack), 0)
  return { tokens: sum(({ ids }) => ids.length), scoredTokens: sum(({ rows }) => rows.length) }
}

/** Examples that a message names. */
const namedExamples = 8

function notFinite(
  what: string,
  value: number,
  step: number,
  examples: readonly TrainingExample[],
): MtLlamaError {
  const named = examples
    .slice(0, namedExamples)
    .map(({ draw, task, where }) => `\n  draw ${draw}: ${task.name}, ${where}`)
    .join('')
  const others = examples.length > namedExamples ? `\n  and ${examples.length - namedExamples} more` : ''
  return new MtLlamaError(
    'SCORE_NOT_FINITE',
    `step ${step}: the ${what} is ${value}, expected a finite number, over these examples:${named}${others}\n` +
      'No weight was changed by them. A lower learning rate, or a longer warm-up, may help.',
  )
}
