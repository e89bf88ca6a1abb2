// Times training steps: the gradients of one pack and the update, of all weights and of adapters of all linear maps.
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { MtLlamaError } from '../errors.ts'
import { availableOn, gpuOrdinal } from '../model/devices.ts'
import type { Device, NativeModel, NativeStep, NativeTrainPack } from '../native/types.ts'
import type { LoraSettings } from '../training/lora-settings.ts'
import { checkTrainingMemory, type TrainingMemory } from '../training/train-memory.ts'
import { type TrainTarget, trainTarget } from '../training/train-target.ts'
import { type BenchContext, micros, runNative, someIds } from './context.ts'
import { boundOf, trainingFlops } from './counts.ts'
import type { TrainReport } from './report.ts'
import { timeRuns } from './timing.ts'

export interface TrainBench {
  /** Tokens of the pack. */
  packTokens: number
  loraRank: number
}

/** Sequences of the pack, and how many tokens of each the loss is on. */
const maxLength = 128
const maxScored = 16
/** Positions that a model must have: two for a token that predicts another. */
export const minTrainContext = 2
/** How far the loss may be off that of scoring, which sums differently. */
const lossTolerance = 1e-4

const adamw: NativeStep = {
  ...{ step: 1, learningRate: 1e-6, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
  ...{ weightDecay: 0, decayVectors: false, maxNorm: 1 },
}

interface Method {
  method: TrainReport['method']
  target: TrainTarget
  memory: TrainingMemory
}

/** What is timed, and what each takes of memory. @throws OUT_OF_MEMORY */
export async function trainMethods(
  checkpoint: Checkpoint,
  device: Device,
  { packTokens, loraRank }: TrainBench,
): Promise<Method[]> {
  const lora: LoraSettings = { rank: loraRank, alpha: loraRank, rslora: false, targets: 'all-linear' }
  const available = await availableOn(device)
  const methods: Method[] = []
  for (const [method, adapters] of [
    ['full', null],
    ['lora', lora],
  ] as const) {
    const target = await trainTarget({ lora: adapters, dtype: 'float32', seed: 1 }, checkpoint)
    const trains = { parameters: target.parameters, rank: adapters?.rank ?? 0, dtype: 'float32' } as const
    const keep = { packTokens, keepActivations: 'auto' } as const
    methods.push({ method, target, memory: checkTrainingMemory(checkpoint, trains, keep, available) })
  }
  return methods
}

/** @param before resident bytes before the model was loaded @throws INTERNAL where the loss is not that of scoring */
export async function timeTraining(
  context: BenchContext,
  model: NativeModel,
  { method, target, memory }: Method,
  packTokens: number,
  before: number,
): Promise<TrainReport> {
  const { config, native, peaks, signal } = context
  context.onStep(`${method}, ${packTokens} ids`)
  const length = Math.min(maxLength, config.contextLength, packTokens)
  const pack = packOf(someIds(config, 0, packTokens), length)
  const trainer = await runNative(signal, control =>
    model.trainer(target.adapters, memory.keptBytes, control),
  )
  try {
    await target.begin(trainer, undefined)
    await check(context, model, pack, () =>
      runNative(signal, control => trainer.forwardBackward(pack, control)),
    )
    const step = async () => {
      await runNative(signal, control => trainer.forwardBackward(pack, control))
      await runNative(signal, control => trainer.step(adamw, control))
    }
    const timing = await timeRuns(step, { seconds: 2, minRuns: 3 })
    const { seconds, runs } = timing
    const onGpu = gpuOrdinal(native.device) !== undefined
    const residentBytes = onGpu ? null : process.memoryUsage.rss() - before
    const trained = method === 'full' ? undefined : target.parameters
    const flops = trainingFlops(config, { tokens: packTokens, length, scored: pack.rows.length }, trained)
    return {
      ...{ method, tokens: packTokens, runs, ...micros(timing), flops },
      ...{ tokensPerSecond: packTokens / seconds, gflopPerSecond: flops / seconds / 1e9 },
      ...{ memoryBytes: memory.memoryBytes, residentBytes },
      ...boundOf({ flops, bytes: 0, seconds }, peaks, native.dtype),
    }
  } finally {
    trainer.dispose()
  }
}

/** Checks that the loss of a pack is that of scoring it. */
async function check(
  { signal }: BenchContext,
  model: NativeModel,
  pack: NativeTrainPack,
  lossOf: () => Promise<{ loss: number }>,
): Promise<void> {
  const { loss } = await lossOf()
  const { logProbs } = await runNative(signal, control => model.score({ ...pack, topK: 0 }, control))
  const scored = -logProbs.reduce((sum, logProb, i) => sum + logProb * pack.weights[i]!, 0)
  if (Math.abs(loss - scored) <= lossTolerance * Math.abs(scored)) return
  throw new MtLlamaError('INTERNAL', `the loss is ${loss}, scoring makes it ${scored}: nothing was timed`)
}

/** Sequences of `length` ids, of which the last ones are scored; what is left is a shorter one. */
function packOf(ids: Int32Array, length: number): NativeTrainPack {
  const within = ids.map((_, i) => i % length)
  const scored = Math.min(maxScored, length - 1)
  const rows = Int32Array.from(
    [...within.keys()].filter(
      i => i + 1 < ids.length && within[i + 1]! > 0 && within[i]! >= length - 1 - scored,
    ),
  )
  const starts = [...within.keys()].filter(i => within[i] === 0)
  return {
    ...{ ids, positions: within, branchStart: within.map((offset, i) => i - offset), rows },
    trees: Int32Array.from(starts.flatMap(start => [start, Math.min(start + length, ids.length), 0])),
    targets: rows.map(row => ids[row + 1]!),
    weights: new Float32Array(rows.length).fill(1 / rows.length),
  }
}
