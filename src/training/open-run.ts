// Opens all that a training run takes: checkpoint, tokenizer, mixture and evaluation texts, and the point it goes on from.
import { join } from 'node:path'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { pathKind } from '../checkpoint/files.ts'
import { fingerprint } from '../checkpoint/fingerprint.ts'
import { openWithoutWeights } from '../checkpoint/huggingface/huggingface.ts'
import { openCheckpoint } from '../checkpoint/open.ts'
import { MtLlamaError } from '../errors.ts'
import { availableOn, chosenDevice } from '../model/devices.ts'
import { loadParts } from '../model/load.ts'
import { defaultPlanner } from '../model/planner-options.ts'
import { Model } from '../model.ts'
import { abortableJob, freeModel } from '../native/job.ts'
import type { NativeModel, NativeTrainer } from '../native/types.ts'
import { loadTokenizer } from '../tokenizer/load.ts'
import { readEvalTexts } from './eval-texts.ts'
import { Examples } from './examples.ts'
import { type OpenMixture, openMixture } from './open-mixture.ts'
import { momentsOf, restoreParts } from './train-checkpoint.ts'
import type { TrainSettings } from './train-config.ts'
import type { SavedStep } from './train-folder.ts'
import { checkTrainingMemory } from './train-memory.ts'
import { checkSameRun, type RunInputs, runInputs } from './train-state.ts'
import { type TrainTarget, trainTarget } from './train-target.ts'

export interface OpenRun {
  /** The checkpoint that training began with. */
  base: Checkpoint
  target: TrainTarget
  examples: Examples
  inputs: RunInputs
  /** Steps of the whole run. */
  steps: number
}

/**
 * @param mixture stays the caller's to close
 * @param saved the checkpoint to go on from
 * @throws OUTPUT where that one is of another run; INVALID_ARGUMENT, TOKENIZER,
 *   CHECKPOINT_UNSUPPORTED (a base that no Hugging Face directory can hold), DATA_NOT_FOUND, DATA_INVALID, ABORTED
 */
export async function openRun(
  settings: TrainSettings,
  mixture: OpenMixture,
  saved: SavedStep | undefined,
  signal: AbortSignal | undefined,
): Promise<OpenRun> {
  const { model, maxLength, evalDir, batch } = settings
  const base = await openBase(settings)
  if (!base.tokenizer)
    throw new MtLlamaError('TOKENIZER', `${model} has no tokenizer, which training takes texts apart with.`)
  const { contextLength } = base.config
  if (maxLength > contextLength)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `examples may have ${maxLength} tokens, but ${model} has a context of ${contextLength}; lower their maximum length.`,
    )
  const known = evalDir === null ? undefined : await readEvalTexts(evalDir, signal)
  const inputs = await runInputs(await fingerprint(base), mixture, known)
  if (saved) checkSameRun(saved.path, saved.state, settings, inputs)
  const { seed, validationShare, mask, eos, tooLong } = settings
  return {
    ...{ base, inputs, target: await trainTarget(settings, base) },
    examples: new Examples(mixture, await loadTokenizer(base.tokenizer), {
      ...{ seed, validationShare, mask, eos, tooLong, maxLength, contamination: known },
    }),
    steps: settings.steps ?? Math.ceil((settings.epochs! * mixture.totalCap) / batch),
  }
}

async function openBase({ model, fromScratch }: TrainSettings): Promise<Checkpoint> {
  const hasConfig = (await pathKind(join(model, 'config.json'))) !== 'missing'
  if (!fromScratch)
    return openCheckpoint(model).catch(error => {
      if (!hasConfig || error.code !== 'CHECKPOINT_NOT_FOUND') throw error
      throw new MtLlamaError(error.code, `${error.message}; a run from scratch needs none of them`, {
        cause: error,
      })
    })
  if (!hasConfig)
    throw new MtLlamaError(
      'CHECKPOINT_NOT_FOUND',
      `${model}: has no config.json, which a run from scratch takes the sizes of its model from`,
    )
  return openWithoutWeights(model)
}

export async function openTrainingMixture(
  { mixture, dataRoot, templatesDir, allowMissing }: TrainSettings,
  signal: AbortSignal | undefined,
): Promise<OpenMixture> {
  // An application that is one bundle of ES modules cannot load the library of YAML; one that trains nothing needs none.
  const { loadMixture } = await import('./mixture-file.ts')
  const known = await loadMixture(mixture)
  return openMixture(known, { dataRoot, templatesDir, allowMissing, ...(signal && { signal }) })
}

/** A model and its trainer. */
export interface TrainedModel extends AsyncDisposable {
  model: NativeModel
  /** Scores and generates by the weights of the last step. */
  scorer: Model
  trainer: NativeTrainer
  /** What they take of memory, about. */
  memoryBytes: number
}

/** Memory that evaluations may take for keys and values. */
const evaluationBytes = 2 ** 28

/** Loads the weights to begin or to go on with, and with the latter the optimizer's moments. @throws what loadModel() throws */
export async function loadTrained(
  settings: TrainSettings,
  target: TrainTarget,
  saved: SavedStep | undefined,
  signal: AbortSignal | undefined,
): Promise<TrainedModel> {
  const { dtype, threads } = settings
  const checkpoint = await target.model(saved)
  const device = await chosenDevice(settings.device)
  const { beside, ...memory } = await checkRunMemory({ ...settings, device }, target, checkpoint)
  const options = { dtype, device, threads, ...(signal && { signal }) }
  const parts = await loadParts(checkpoint, options, settings.packTokens)
  const { native: model } = parts
  try {
    const trainer = await abortableJob(signal, control =>
      model.trainer(target.adapters, memory.keptBytes, control),
    )
    await target.begin(trainer, saved)
    if (saved) await restoreParts(saved.optimizerFile, momentsOf(target.parameters), trainer)
    const kvBytes = Math.min(parts.kvBytes, evaluationBytes)
    const scorer = new Model({ ...parts, kvBytes }, defaultPlanner)
    const memoryBytes = beside + memory.memoryBytes
    return { model, scorer, trainer, memoryBytes, [Symbol.asyncDispose]: () => scorer.dispose() }
  } catch (error) {
    await freeModel(model)
    throw error
  }
}

/** Refuses a run that does not fit. @throws OUT_OF_MEMORY, DEVICE_UNAVAILABLE */
export async function checkRunMemory(
  { dtype, device, packTokens, keepActivations, lora, evalEvery }: TrainSettings,
  { parameters }: TrainTarget,
  checkpoint: Checkpoint,
) {
  const trains = { parameters, rank: lora?.rank ?? 0, dtype }
  const beside = evalEvery > 0 ? evaluationBytes : 0
  const available = (await availableOn(await chosenDevice(device))) - beside
  return { beside, ...checkTrainingMemory(checkpoint, trains, { packTokens, keepActivations }, available) }
}
