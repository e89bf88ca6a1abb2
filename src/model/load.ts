// Loads a checkpoint: header first, then the memory check, then weights (in native) and tokenizer side by side.

import {
  callbackOption,
  checkOptions,
  choiceOption,
  integerOption,
  optionNames,
  optionOf,
  signalOption,
} from '../calls/options.ts'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { fingerprint } from '../checkpoint/fingerprint.ts'
import { nativeConfig, vocabularyWarning } from '../checkpoint/native-config.ts'
import { openCheckpoint } from '../checkpoint/open.ts'
import { sourceState } from '../checkpoint/source-state.ts'
import { storedParts } from '../checkpoint/tensors.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { checkPath } from '../files/path.ts'
import { Model } from '../model.ts'
import { loadAddon } from '../native/addon.ts'
import { cancel, freeModel, nativeJob, newControl, onAbort } from '../native/job.ts'
import type { Control } from '../native/types.ts'
import { loadTokenizer } from '../tokenizer/load.ts'
import {
  availableOn,
  checkDevice,
  chosenDevice,
  type DeviceChoice,
  gpuOrdinal,
  threadsOn,
} from './devices.ts'
import { type DTypeName, dtypeNames, dtypeOf } from './dtype-names.ts'
import type { ModelParts } from './info.ts'
import { activationBytes, checkMemory, kvBytes, loadingBytes } from './memory.ts'
import { defaultPlanner, maxPackTokens, minPackTokens, type PlannerOptions } from './planner-options.ts'

export interface LoadOptions {
  /**
   * Numbers to compute in; other libraries' short names stand for ours. 'auto': as stored; a quantised GGUF as bfloat16.
   * @default 'auto'
   */
  dtype?: DTypeName | 'auto'
  /**
   * 'cuda' is the first GPU, 'cuda:1' the second; 'auto' the first GPU that can be used, else 'cpu'; 'reference' the
   * slow plain definition. @default 'auto'
   */
  device?: DeviceChoice
  /** At most 1024; 0: one a core. @default 0 */
  threads?: number
  /** Delta weights: the model is the sum of the checkpoint's and these. */
  delta?: string
  /** Folders of LoRA adapters as PEFT saves them, merged into the weights one after another. @default [] */
  adapters?: readonly string[]
  /** Rejects with ABORTED. */
  signal?: AbortSignal
  /** Called some ten times a second while weights are read. */
  onProgress?: (progress: LoadProgress) => void
}

const loadOptionNames = optionNames<LoadOptions>({
  dtype: true,
  device: true,
  threads: true,
  delta: true,
  adapters: true,
  signal: true,
  onProgress: true,
})

export interface LoadProgress {
  /** 0 to 1. */
  fraction: number
  bytesDone: number
  /** Bytes of weights in the files. */
  bytesTotal: number
}

const progressMs = 100
/** Threads that native takes at the most. */
export const maxThreads = 1024

/**
 * Loads a checkpoint: a Hugging Face directory, Meta's folder of a model, a GGUF file, or a folder with one.
 * @throws CHECKPOINT_*, TENSOR_*, WEIGHT_NOT_FINITE, TOKENIZER, OUT_OF_MEMORY (before anything is read),
 *   DEVICE_UNAVAILABLE, ADDON_NOT_FOUND, INVALID_ARGUMENT, ABORTED
 */
export function loadModel(path: string, options: LoadOptions = {}): Promise<Model> {
  return openModel(path, options, defaultPlanner)
}

/** loadModel() with a planner that tests can change. */
export async function openModel(path: string, options: LoadOptions, planner: PlannerOptions): Promise<Model> {
  const own = readLoadOptions(options)
  const { delta, adapters } = own
  return loadOpened(await openCheckpoint(path, { delta, adapters }), own, planner)
}

/** openModel() of a checkpoint that was opened. @param options that were checked */
export async function loadOpened(
  checkpoint: Checkpoint,
  options: LoadOptions,
  planner: PlannerOptions = defaultPlanner,
): Promise<Model> {
  return new Model(await loadParts(checkpoint, options, planner.packTokens), planner)
}

function readLoadOptions(options: LoadOptions): LoadOptions {
  checkOptions(options, loadOptionNames)
  const signal = signalOption(options)
  const onProgress = callbackOption(options, 'onProgress')
  const delta = optionOf(options, 'delta', undefined)
  const adapters = optionOf(options, 'adapters', [])
  if (!Array.isArray(adapters))
    throw new MtLlamaError('INVALID_ARGUMENT', `adapters is ${shown(adapters)}; expected a list of folders`)
  return {
    device: checkDevice(optionOf(options, 'device', 'auto')),
    dtype: choiceOption(options, 'dtype', ['auto', ...dtypeNames], 'auto'),
    threads: integerOption(options, 'threads', 0, maxThreads, 0),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
    ...(delta !== undefined && { delta: checkPath('delta', delta) }),
    adapters: adapters.map(adapter => checkPath('adapters', adapter)),
  }
}

/**
 * What a Model is made of, from a checkpoint that was opened.
 * @param packTokens tokens of a pack, fewer where a GPU's memory does not hold them
 */
export async function loadParts(
  checkpoint: Checkpoint,
  options: LoadOptions,
  packTokens?: number,
): Promise<ModelParts> {
  const { dtype: asked = 'auto', threads = 0, signal, onProgress } = options
  const dtype = asked === 'auto' ? checkpoint.autoDType : dtypeOf(asked)
  const addon = loadAddon()
  const config = nativeConfig(checkpoint)
  const device = await chosenDevice(options.device ?? 'auto')
  const nativeOptions = { dtype, device, threads }
  const weights = await nativeJob(() => addon.weightBytes(config, nativeOptions, newControl()))
  const wanted = packTokens ?? maxPackTokens(device)
  const activations = activationBytes(checkpoint.config, minPackTokens(device, wanted))
  const loading = gpuOrdinal(device) === undefined ? loadingBytes : 0
  checkMemory(checkpoint.path, dtype, { weights, activations, loading }, await availableOn(device))

  const bytesTotal = checkpoint.tensors.flatMap(storedParts).reduce((n, part) => n + part.bytes, 0)
  const tell = (fraction: number) =>
    onProgress?.({ fraction, bytesDone: Math.round(fraction * bytesTotal), bytesTotal })
  const control = newControl()
  const reading = nativeJob(() => addon.load(config, checkpoint.tensors, nativeOptions, control))
  let stop = () => {}
  try {
    const failed = new Promise<never>((_, reject) => {
      const stopListening = onAbort(signal, reject)
      const stopReporting = report(control, tell, reject)
      stop = () => {
        stopListening()
        stopReporting()
      }
    })
    const parts = Promise.all([reading, checkpoint.tokenizer && loadTokenizer(checkpoint.tokenizer)])
    const [native, tokenizer] = await Promise.race([parts, failed])
    if (checkpoint.openedState !== undefined && checkpoint.openedState !== (await sourceState(checkpoint)))
      throw new MtLlamaError(
        'CHECKPOINT_CORRUPT',
        `${checkpoint.path}: its files were changed while it was loaded; load it again`,
      )
    const print = await fingerprint(checkpoint)
    const memory = await Promise.race([nativeJob(() => native.reserve(wanted, newControl())), failed])
    tell(1)
    const tooMany = tokenizer && vocabularyWarning(checkpoint, tokenizer.vocabSize)
    const warnings = [...checkpoint.warnings, ...(tooMany ? [tooMany] : [])]
    return {
      ...{ native, checkpoint, tokenizer, dtype, device, threads: threadsOn(device, threads), warnings },
      ...{ fingerprint: print, packTokens: memory.packTokens, kvBytes: kvBytes(memory.freeBytes) },
    }
  } catch (error) {
    // Whichever part failed, the weights are not to stay.
    cancel(control)
    reading.then(freeModel).catch(() => {})
    throw error
  } finally {
    stop()
  }
}

/** Tells what fraction is read from time to time, until the function returned is called or `tell` throws. */
function report(
  control: Control,
  tell: (fraction: number) => void,
  fail: (error: unknown) => void,
): () => void {
  const timer = setInterval(() => {
    try {
      tell(Atomics.load(control, 1) / 1e6)
    } catch (error) {
      fail(error)
    }
  }, progressMs)
  return () => clearInterval(timer)
}
