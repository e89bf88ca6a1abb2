// Runs the parts of a benchmark one after another.

import { sizesOf } from '../checkpoint/checkpoint.ts'
import { nativeConfig } from '../checkpoint/native-config.ts'
import { openCheckpoint } from '../checkpoint/open.ts'
import { parameterCount } from '../checkpoint/tensors.ts'
import { MtLlamaError } from '../errors.ts'
import { chosenDevice, type DeviceChoice, gpuOrdinal, listDevices, threadsOn } from '../model/devices.ts'
import { loadParts } from '../model/load.ts'
import { availableBytes } from '../model/memory.ts'
import { maxPackTokens, minPackTokens } from '../model/planner-options.ts'
import { loadAddon } from '../native/addon.ts'
import { freeModel } from '../native/job.ts'
import type { DType } from '../native/types.ts'
import { type BenchContext, runNative } from './context.ts'
import { decodePositions, decodeSequences, minDecodeContext, timeDecode } from './decode.ts'
import { bothNeeds, checkNeeds, modelNeed, opsNeeds, peaksNeed, trainOpsNeeds } from './memory.ts'
import { timeOps, timeTrainOps } from './ops.ts'
import { timePrefill } from './prefill.ts'
import { randomCheckpoint } from './random-checkpoint.ts'
import type { BenchReport } from './report.ts'
import { minScoringContext, timeScoring } from './scoring.ts'
import { type ShapeName, shapeConfig } from './shapes.ts'
import { minTrainContext, type TrainBench, timeTraining, trainMethods } from './train.ts'

export const benchParts = ['ops', 'prefill', 'decode', 'scoring', 'train-ops', 'train'] as const
export type BenchPart = (typeof benchParts)[number]

export interface BenchOptions {
  /** The checkpoint to time, or a shape to time with random weights. */
  model: { path: string } | { shape: ShapeName }
  /** The number format to compute in. 'auto' is the stored one, and bfloat16 for a shape; with training it is float32. */
  dtype: DType | 'auto'
  device: DeviceChoice
  /** Number of threads; 0 is one for each core. */
  threads: number
  parts: readonly BenchPart[]
  /** The numbers of tokens that ops are timed with. */
  rows: readonly number[]
  train: TrainBench
  signal: AbortSignal
  /** Called as a part or a step begins. @param part 'peaks', 'load' or one of benchParts @param step '' as a part begins */
  onStep: (part: string, step: string) => void
  version: string
}

/**
 * Fills in `report` part by part, so that a run that ends early leaves what was done.
 * @throws OUT_OF_MEMORY and CONTEXT_LENGTH before anything is measured, OUTPUT (no room for the temporary file), INTERNAL (a wrong result),
 *   ABORTED, and what loadModel() throws
 */
export async function runBench(given: BenchOptions, report: BenchReport): Promise<void> {
  const { signal, parts, onStep } = given
  const options = parts.includes('train') ? { ...given, dtype: trainingType(given.dtype) } : given
  const source = await openSource(options)
  const { checkpoint } = source
  const { config, tensors } = checkpoint
  checkContext(checkpoint.path, config.contextLength, parts)
  const device = await chosenDevice(options.device)
  const dtype = options.dtype === 'auto' ? checkpoint.autoDType : options.dtype
  const native = { dtype, device, threads: options.threads }
  const addon = loadAddon()
  const weightBytes = await runNative(signal, control =>
    addon.weightBytes(nativeConfig(checkpoint), native, control),
  )

  const positions = parts.includes('decode') ? Math.max(...decodeSequences) * decodePositions : 0
  const packTokens = minPackTokens(device, maxPackTokens(device))
  const modelNeeds = needsModel(parts) ? [modelNeed(config, weightBytes, packTokens, positions)] : []
  const ops = [
    ...(parts.includes('ops') ? [opsNeeds(config, dtype)] : []),
    ...(parts.includes('train-ops') ? [trainOpsNeeds(config, dtype, Math.max(...options.rows))] : []),
  ]
  const name = `${checkpoint.path} as ${dtype} on ${device}`
  const ordinal = gpuOrdinal(device)
  if (ordinal === undefined) {
    checkNeeds(name, [peaksNeed, ...ops.map(bothNeeds), ...modelNeeds], availableBytes())
  } else {
    const free = await runNative(signal, control => addon.gpuFreeBytes(ordinal, control))
    checkNeeds(name, [peaksNeed, ...ops.map(need => need.device), ...modelNeeds], free)
    for (const { host } of ops) checkNeeds(name, [host], availableBytes())
  }

  const methods = parts.includes('train') ? await trainMethods(checkpoint, device, options.train) : []

  onStep('peaks', '')
  const peaks = await runNative(signal, control => addon.peaks(device, options.threads, control))
  const { processors, gpus } = await listDevices()
  const processor = [...processors, ...gpus].find(info => info.device === device)!
  report.machine = {
    ...{
      name: processor.name,
      device,
      threads: threadsOn(device, options.threads),
    },
    ...{ dtype, backend: peaks.backend, node: process.version, version: options.version },
  }
  report.model = {
    ...{ name: checkpoint.path, random: source.random },
    parameters: parameterCount(tensors),
    ...{ weightBytes, ...sizesOf(config) },
  }
  report.peaks = {
    arithmetic: peaks.arithmetic.map(({ instruction, flops }) => ({
      instruction,
      gflopPerSecond: flops / 1e9,
    })),
    readGigabytesPerSecond: peaks.read / 1e9,
    instruction: peaks.instructions[dtype],
  }

  const context = (part: string): BenchContext => {
    onStep(part, '')
    return { config, native, peaks, signal, onStep: step => onStep(part, step) }
  }
  if (parts.includes('ops')) {
    report.ops = []
    await timeOps(context('ops'), options.rows, report.ops)
  }
  if (parts.includes('train-ops')) {
    report.trainOps = []
    await timeTrainOps(context('train-ops'), options.rows, report.trainOps)
  }
  if (!needsModel(parts)) return

  onStep('load', '')
  const before = process.memoryUsage.rss()
  const loaded = await source.load(() => loadParts(checkpoint, { ...native, signal }))
  try {
    if (parts.includes('prefill')) report.prefill = await timePrefill(context('prefill'), loaded.native)
    if (parts.includes('decode')) {
      report.decode = []
      for (const sequences of decodeSequences)
        report.decode.push(await timeDecode(context('decode'), loaded.native, sequences))
    }
    if (parts.includes('scoring')) report.scoring = await timeScoring(context('scoring'), loaded)
    if (methods.length > 0) report.train = []
    for (const method of methods)
      report.train!.push(
        await timeTraining(context('train'), loaded.native, method, options.train.packTokens, before),
      )
  } finally {
    await freeModel(loaded.native)
  }
}

function needsModel(parts: readonly BenchPart[]): boolean {
  return parts.some(part => part !== 'ops' && part !== 'train-ops')
}

function trainingType(dtype: DType | 'auto'): DType {
  if (dtype === 'auto' || dtype === 'float32') return 'float32'
  throw new MtLlamaError('INVALID_ARGUMENT', `'train' runs in float32, not in ${dtype}`)
}

const minContext: Partial<Record<BenchPart, number>> = {
  train: minTrainContext,
  decode: minDecodeContext,
  scoring: minScoringContext,
}

function checkContext(path: string, contextLength: number, parts: readonly BenchPart[]): void {
  for (const part of parts) {
    const min = minContext[part] ?? 1
    if (contextLength < min)
      throw new MtLlamaError(
        'CONTEXT_LENGTH',
        `${path}: the model has ${contextLength} positions; '${part}' takes ${min}. The other parts can be run`,
      )
  }
}

/** Opens the checkpoint, and says how to load it: the file of random weights exists only while they are loaded. */
async function openSource({ model, dtype, parts, signal }: BenchOptions) {
  if ('path' in model) {
    const checkpoint = await openCheckpoint(model.path)
    return { checkpoint, random: false, load: <T>(work: () => Promise<T>) => work() }
  }
  const random = randomCheckpoint(
    model.shape,
    shapeConfig(model.shape),
    dtype === 'auto' ? 'bfloat16' : dtype,
  )
  if (needsModel(parts)) random.checkRoom()
  return {
    checkpoint: random.checkpoint,
    random: true,
    load: async <T>(work: () => Promise<T>) => {
      try {
        await random.write(signal)
        return await work()
      } finally {
        random.remove()
      }
    },
  }
}
