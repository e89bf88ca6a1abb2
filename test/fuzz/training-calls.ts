// Calls a trainer's functions with random arguments, several at a time.
import type {
  Control,
  NativeAdapter,
  NativeConfig,
  NativeModel,
  NativeStep,
  NativeTrainer,
  NativeTrainPack,
  ParameterPart,
} from '../../src/native/types.ts'
import { mutatedPack, randomControl, spoil } from './arguments.ts'
import { checkError } from './cases.ts'
import type { Random } from './random.ts'

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tested
type Anything = any

const adapters: NativeAdapter[] = [
  { module: 'model.layers.0.self_attn.v_proj', rank: 2, scale: 0.5 },
  { module: 'model.layers.1.mlp.gate_proj', rank: 1, scale: 2 },
]
const names = [
  'model.norm.weight',
  'model.embed_tokens.weight',
  'model.layers.0.self_attn.v_proj.lora_A.weight',
  'model.layers.1.mlp.gate_proj.lora_B.weight',
]
const adamw: NativeStep = {
  ...{ step: 1, learningRate: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8 },
  ...{ weightDecay: 0.1, decayVectors: false, maxNorm: 1 },
}

/** @param control of the trainer's creation */
export async function trainingCalls(
  random: Random,
  model: NativeModel,
  config: NativeConfig,
  control: Control,
): Promise<void> {
  const trainer = await model.trainer(randomAdapters(random), random.int(0, 200_000), control)
  const running = random.array(random.int(1, 5), () => trainerCall(random, trainer, config))
  if (random.chance(0.1)) model.dispose()
  for (const ended of await Promise.allSettled(running))
    if (ended.status === 'rejected') checkError(ended.reason, 'trainer', Error)
  trainer.dispose()
}

function randomAdapters(random: Random): NativeAdapter[] {
  return random.make([
    () => [],
    () => adapters,
    () => [...adapters, random.pick(adapters)],
    () => adapters.map(adapter => (random.chance(0.3) ? spoil(random, adapter) : adapter)),
    () => random.anything() as Anything,
  ])
}

function trainerCall(random: Random, trainer: NativeTrainer, config: NativeConfig): Promise<unknown> {
  const control = randomControl(random)
  const name = random.chance(0.9) ? random.pick(names) : (random.anything() as Anything)
  const part = random.chance(0.9)
    ? random.pick<ParameterPart>(['weight', 'gradient', 'mean', 'square'])
    : (random.anything() as Anything)
  return random.make<Promise<unknown>>([
    () => trainer.forwardBackward(trainPack(random, config), control),
    () => trainer.forwardBackward(random.anything() as Anything, control),
    () => trainer.step(random.chance(0.5) ? adamw : spoil(random, adamw), control),
    () => trainer.read(name, part, control),
    () => trainer.write(name, part, numbers(random, config), control),
    async () => random.chance(0.1) && trainer.dispose(),
  ])
}

function trainPack(random: Random, config: NativeConfig): NativeTrainPack {
  const { topK: _, ...rows } = mutatedPack(random, config)
  const weights = Float32Array.from({ length: rowsOf(rows) }, () =>
    random.chance(0.02) ? random.oddNumber() : random.int(0, 4) / 4,
  )
  return random.chance(0.15) ? spoil(random, { ...rows, weights }) : { ...rows, weights }
}

function numbers(random: Random, config: NativeConfig): Float32Array {
  if (random.chance(0.2)) return random.anything() as Anything
  const { hiddenSize, vocabSize } = config
  const count = random.pick([hiddenSize, hiddenSize * vocabSize, 2 * hiddenSize, random.int(0, 99)])
  return Float32Array.from({ length: count }, () => (random.chance(0.02) ? random.oddNumber() : 0.1))
}

/** Scored rows of a pack; 0 where its field is something else, such as an array of 2^32 - 1 elements. */
function rowsOf(pack: { rows: unknown }): number {
  return pack.rows instanceof Int32Array ? pack.rows.length : 0
}
