// The public way to train: a configuration in, steps and checkpoints out; a run that was stopped is gone on with.
import { callbackOption, checkOptions, optionNames, signalOption } from '../calls/options.ts'
import { parameterCount } from '../checkpoint/tensors.ts'
import { MtLlamaError } from '../errors.ts'
import type { EvaluateProgress } from '../evaluation/run.ts'
import { abortedError } from '../native/job.ts'
import type { NativeStep } from '../native/types.ts'
import { drawnStep } from './drawn-step.ts'
import { Evaluations, type TrainEvaluation } from './evaluations.ts'
import type { Examples, SkipReason, TrainingExample } from './examples.ts'
import type { MissingSet, OpenMixture } from './open-mixture.ts'
import { loadTrained, type OpenRun, openRun, openTrainingMixture, type TrainedModel } from './open-run.ts'
import { saveStep } from './save-step.ts'
import { learningRateOf, type Schedule, warmupOf } from './schedule.ts'
import { readerOf } from './train-checkpoint.ts'
import { checkTrainConfig, type TrainConfig, type TrainDType, type TrainSettings } from './train-config.ts'
import { TrainFolder } from './train-folder.ts'
import { logFile, TrainLog } from './train-log.ts'
import { writeTrainReport } from './train-report.ts'
import { type Progress, progressOf, type TrainState } from './train-state.ts'
import { meanLoss, type StepFigures, trainStep } from './train-step.ts'

/** What a run is found to be before its first step. */
export interface TrainStart {
  /** Steps of the whole run. */
  steps: number
  /** The step of the checkpoint that it goes on from; 0 at the beginning. */
  from: number
  /** Numbers in all weights. */
  parameters: number
  /** Those of them that are trained, or all numbers of the adapters. */
  trainedParameters: number
  /** What training takes of memory, about. */
  memoryBytes: number
  /** Tasks that examples are drawn from, and how many examples an epoch of them has. */
  tasks: number
  examplesOfEpoch: number
  /** Sets of the mixture that are not there, with `allowMissing`. */
  missing: readonly MissingSet[]
  /** What computes: 'cpu avx512_bf16'. */
  backend: string
  /** What it computes in. */
  dtype: TrainDType
  /** Whether it computes in float32 what `dtype` asks for in bfloat16, which takes longer than float32. */
  emulated: boolean
  /** The backend of the checkpoint's run, where it was another, which may round otherwise. */
  otherBackend: string | undefined
}

export interface TrainStep extends StepFigures {
  /** Counted from 1. */
  step: number
  /** Steps of the whole run. */
  steps: number
  learningRate: number
  /** Draws that made no example on the way to those of the step, by reason. */
  skipped: Partial<Record<SkipReason, number>>
  /** Time of the step, drawing its examples included. */
  seconds: number
  /** After the step, where `validateEvery` asks for it. */
  validationLoss?: number
  /** Of the model after the step, where `evalEvery` asks for it. */
  evaluation?: TrainEvaluation
}

export interface TrainResult {
  /** The last checkpoint, a Hugging Face directory, or one of PEFT. */
  checkpoint: string
  steps: number
  /** Of the whole run: tokens that were run, and those that the loss was on. */
  tokens: number
  scoredTokens: number
}

export interface TrainOptions {
  /** Rejects with ABORTED; the last step that was done has a checkpoint. */
  signal?: AbortSignal
  /** Called once, before the first step. */
  onStart?: (start: TrainStart) => void
  /** Called after each step. */
  onProgress?: (step: TrainStep) => void
  /** Called after each evaluation, that before the first step too. */
  onEvaluation?: (evaluation: TrainEvaluation) => void
  /** Called while an evaluation runs. */
  onEvaluating?: (progress: EvaluateProgress) => void
}

const trainOptionNames = optionNames<TrainOptions>({
  signal: true,
  onStart: true,
  onProgress: true,
  onEvaluation: true,
  onEvaluating: true,
})

/**
 * Trains a model, or adapters of it, on a mixture (docs/training.md), and resolves once the last step has its checkpoint. A run
 * that the folder `out` holds is gone on with: it ends in the bits of one that was never stopped.
 * @throws INVALID_ARGUMENT, TRAINING (the mixture), DATA_NOT_FOUND, DATA_INVALID, OUTPUT, SCORE_NOT_FINITE (a loss; the
 *   checkpoints stay), ABORTED, and what loadModel() throws
 */
export async function train(config: TrainConfig, options: TrainOptions = {}): Promise<TrainResult> {
  const steps = trainStream(config, options)
  for (;;) {
    const next = await steps.next()
    if (next.done) return next.value
  }
}

/**
 * train(), step by step. The generator's return value is the result. A loop that is left ends the run, and the last step
 * that was done has a checkpoint.
 */
export async function* trainStream(
  config: TrainConfig,
  options: TrainOptions = {},
): AsyncGenerator<TrainStep, TrainResult, undefined> {
  checkOptions(options, trainOptionNames)
  const signal = signalOption(options)
  const onStart = callbackOption<'onStart', TrainStart>(options, 'onStart')
  const onProgress = callbackOption<'onProgress', TrainStep>(options, 'onProgress')
  const onEvaluation = callbackOption<'onEvaluation', TrainEvaluation>(options, 'onEvaluation')
  const onEvaluating = callbackOption<'onEvaluating', EvaluateProgress>(options, 'onEvaluating')
  const settings = checkTrainConfig(config)
  await using folder = await TrainFolder.open(settings.out)
  const latest = await folder.latest()
  await using mixture = await openTrainingMixture(settings, signal)
  const run = await openRun(settings, mixture, latest, signal)
  const saved = latest ?? (settings.fromScratch ? await drawnStep(folder, run, settings) : undefined)
  const evaluations = await Evaluations.open(settings, run)
  await using trained = await loadTrained(settings, run.target, saved, signal)
  await using log = await TrainLog.open(logFile(folder.path), saved?.state.step)
  const start = startOf(run, mixture, trained, settings, saved?.state)
  const { evaluationSets } = run.inputs
  await log.add({ ...start, step: start.from, settings, evaluationSets })
  onStart?.(start)

  const validation = await validationExamples(run.examples, settings, signal)
  const schedule: Schedule = {
    ...{ kind: settings.schedule, learningRate: settings.learningRate, steps: run.steps },
    warmup: warmupOf(run.steps, settings),
  }
  let done: Progress = progressOf(saved?.state)
  let checkpoint = saved?.path
  let savedStep = done.step
  const save = async () => {
    await log.sync()
    checkpoint = await saveStep(folder, run, readerOf(trained.trainer), {
      ...{ version: 1, ...done, settings, inputs: run.inputs, backend: trained.model.backend },
    })
    savedStep = done.step
    await folder.prune(settings.keep)
  }
  const evaluate = async () => {
    const { step } = done
    if (!evaluations?.isDue(step) || log.evaluated.has(step)) return undefined
    const evaluation = await evaluations.run(step, trained.scorer, { signal, onEvaluating })
    await log.add({ step, evaluation })
    await writeTrainReport(folder.path)
    onEvaluation?.(evaluation)
    return evaluation
  }
  let isSound = true
  try {
    await evaluate()
    const drawn = run.examples.from(done.draw, 'train', signal)
    while (done.step < run.steps) {
      if (signal?.aborted) throw abortedError(signal)
      isSound = false
      const step = done.step + 1
      const began = performance.now()
      const before = new Map(run.examples.skipped)
      const batch = await take(drawn, settings.batch)
      const skipped = countsSince(before, run.examples.skipped)
      const learningRate = learningRateOf(step, schedule)
      const options = nativeStep(step, learningRate, settings)
      const figures = await trainStep(trained.trainer, batch, settings.packTokens, options, signal)
      done = {
        ...{ step, draw: batch.at(-1)!.draw + 1 },
        tokens: done.tokens + figures.tokens,
        scoredTokens: done.scoredTokens + figures.scoredTokens,
      }
      const seconds = (performance.now() - began) / 1000
      const told: TrainStep = { step, steps: run.steps, ...figures, learningRate, skipped, seconds }
      await log.add({ ...told, taskTokens: tokensOfTasks(batch) })
      if (settings.validateEvery > 0 && step % settings.validateEvery === 0) {
        told.validationLoss = await meanLoss(trained.model, validation, settings.packTokens, signal)
        await log.add({ step, validationLoss: told.validationLoss })
      }
      // An evaluation may take long: what was trained before it is kept.
      if (step % settings.saveEvery === 0 || evaluations?.isDue(step)) await save()
      isSound = true
      const evaluation = await evaluate()
      if (evaluation) told.evaluation = evaluation
      onProgress?.(told)
      yield told
    }
  } catch (error) {
    isSound ||= error instanceof MtLlamaError && error.code === 'ABORTED'
    throw error
  } finally {
    // A step that fails leaves the checkpoints as they are; who stops the run, or leaves its loop, finds the last step.
    if (isSound && done.step > savedStep) await save()
  }
  await writeTrainReport(folder.path)
  const { tokens, scoredTokens } = done
  return { checkpoint: checkpoint!, steps: run.steps, tokens, scoredTokens }
}

function startOf(
  { base, target, steps }: OpenRun,
  { tasks, totalCap, missing }: OpenMixture,
  { model, memoryBytes }: TrainedModel,
  { dtype }: TrainSettings,
  state: TrainState | undefined,
): TrainStart {
  const { backend } = model
  return {
    ...{ steps, from: state?.step ?? 0, tasks: tasks.length },
    parameters: parameterCount(base.tensors),
    trainedParameters: parameterCount(target.parameters),
    ...{ examplesOfEpoch: totalCap, missing, backend, memoryBytes, dtype },
    emulated: dtype === 'bfloat16' && !/^cuda |_bf16$/.test(backend),
    otherBackend: state && state.backend !== backend ? (state.backend ?? undefined) : undefined,
  }
}

/** The first examples of the rows that are kept for validation. */
async function validationExamples(
  examples: Examples,
  { validateEvery, validationExamples }: TrainSettings,
  signal: AbortSignal | undefined,
): Promise<TrainingExample[]> {
  return validateEvery === 0 ? [] : take(examples.from(0, 'validation', signal), validationExamples)
}

/** The next of an endless generator, which goes on afterwards. */
async function take<Item>(items: AsyncGenerator<Item>, count: number): Promise<Item[]> {
  const taken: Item[] = []
  while (taken.length < count) taken.push((await items.next()).value)
  return taken
}

function countsSince<Key extends string>(
  before: ReadonlyMap<Key, number>,
  now: ReadonlyMap<Key, number>,
): Partial<Record<Key, number>> {
  const counts: Partial<Record<Key, number>> = {}
  for (const [key, count] of now) {
    const more = count - (before.get(key) ?? 0)
    if (more > 0) counts[key] = more
  }
  return counts
}

function nativeStep(step: number, learningRate: number, settings: TrainSettings): NativeStep {
  const { beta1, beta2, eps, weightDecay, maxNorm } = settings
  return { step, learningRate, beta1, beta2, eps, weightDecay, maxNorm, decayVectors: false }
}

/** Tokens that were run of each task. */
function tokensOfTasks(batch: readonly TrainingExample[]): Record<string, number> {
  const tokens: Record<string, number> = {}
  for (const { task, ids } of batch) tokens[task.name] = (tokens[task.name] ?? 0) + ids.length - 1
  return tokens
}
