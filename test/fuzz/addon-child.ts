// Calls the addon's functions with random arguments. No case may crash; every error has a known code; the scores of a
// valid pack keep their bits whatever was called before and meanwhile.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { opNames, trainOpNames } from '../../src/bench/ops.ts'
import { loadAddon } from '../../src/native/addon.ts'
import type {
  Control,
  NativeLoadOptions,
  NativeModel,
  NativePack,
  NativeScores,
  NativeSession,
  NativeTensor,
} from '../../src/native/types.ts'
import { newControl, randomPack, writeRandomModel } from '../boundary/random-model.ts'
import { cancelledSoon, mutatedPack, randomControl, spoil } from './arguments.ts'
import { checkError, runCases } from './cases.ts'
import { mutateBytes } from './mutate.ts'
import type { Random } from './random.ts'
import { trainingCalls } from './training-calls.ts'

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tested
type Anything = any

const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-fuzz-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const addon = loadAddon()
const { config, tensors } = writeRandomModel(folder)
const weights = readFileSync(tensors[0]!.parts[0]!.file)
const options: NativeLoadOptions = { dtype: 'float32', device: 'cpu', threads: 2 }
let disposed = false
let model = await addon.load(config, tensors, options, newControl())
const packs = [randomPack(config, 1, 9), randomPack(config, 5, 33), { ...randomPack(config, 2, 70), topK: 3 }]
const expected = await Promise.all(packs.map(pack => model.score(pack, newControl())))

await runCases(async random => {
  const calls = random.array(random.int(1, 4), () => call(random))
  const index = random.below(packs.length)
  const valid = random.chance(0.3) ? score(index) : undefined
  await Promise.all([valid, ...calls])
  if (disposed) await replaceModel()
})

/** Scores a valid pack, whose bits are known. Only a call beside it that disposed the model excuses a failure. */
async function score(index: number): Promise<void> {
  let scores: NativeScores
  try {
    scores = await model.score(packs[index]!, newControl())
  } catch (error) {
    if (disposed && (error as { code?: string }).code === 'DISPOSED') return
    throw error
  }
  assert.deepEqual(scores, expected[index])
}

async function replaceModel(): Promise<void> {
  model.dispose()
  model = await addon.load(config, tensors, options, newControl())
  disposed = false
}

/** Runs one random call and checks how it fails. */
async function call(random: Random): Promise<void> {
  const [what, run] = random.make(calls(random))
  let promise: unknown
  try {
    promise = run()
  } catch (error) {
    throw new Error(`${what} threw instead of rejecting`, { cause: error })
  }
  try {
    await promise
  } catch (error) {
    checkError(error, what, Error)
  }
}

type Call = [what: string, run: () => unknown]

function calls(random: Random): (() => Call)[] {
  const control = randomControl(random)
  return [
    () => ['score', () => model.score(mutatedPack(random, config), control)],
    () => ['score', () => model.score(mutatedPack(random, config), control)],
    () => ['score of anything', () => model.score(random.anything() as Anything, control)],
    () => ['embed', () => embed(random, control)],
    () => ['logits', () => model.logits(randomIds(random), control)],
    () => [
      'reserve',
      () => model.reserve(random.chance(0.5) ? random.int(1, 200) : (random.anything() as Anything), control),
    ],
    () => ['session', () => steps(random, model)],
    () => ['trainer', () => train(random, control)],
    () => ['load', () => load(random, control)],
    () => ['load', () => loadFile(random, control)],
    () => ['weightBytes', () => weightBytes(random, control)],
    () => ['readRows', () => readRows(random, control)],
    () => ['parameters', async () => addon.parameters(loadArguments(random)[0])],
    () => ['timeOp', () => timeOp(random)],
    () => [
      'peaks',
      () =>
        addon.peaks(
          random.pick(['cpu', 'reference', 'cuda:0', 'gpu', random.anything()]) as Anything,
          random.int(-1, 3),
          cancelledSoon(random),
        ),
    ],
    () => ['gpus', () => addon.gpus(control)],
    () => ['gpuFreeBytes', () => addon.gpuFreeBytes(random.anything() as Anything, control)],
    () => [
      'no arguments',
      () => (random.pick([addon.load, addon.peaks, addon.timeOp, model.score, model.logits]) as Anything)(),
    ],
  ]
}

function spoiltTensor(random: Random, tensor: NativeTensor): NativeTensor {
  const parts = tensor.parts.map(part => spoil(random, part))
  return random.make([
    () => spoil(random, tensor),
    () => ({ ...tensor, parts }),
    () => ({ ...tensor, base: { parts, axis: random.pick([0, 1]) as 0 | 1 } }),
    () => ({ ...tensor, adapters: [{ a: parts[0]!, b: tensor.parts[0]!, scale: 1 }] }),
  ])
}

function randomIds(random: Random): Int32Array {
  if (random.chance(0.3)) return random.anything() as Anything
  const most = random.chance(0.1) ? config.contextLength + 2 : 40
  return Int32Array.from({ length: random.int(0, most) }, () =>
    random.int(random.chance(0.01) ? -1 : 0, config.vocabSize - 1),
  )
}

function embed(random: Random, control: Control): unknown {
  const lengths = random.array(random.int(0, 4), () => random.int(0, 12))
  const offsets = Int32Array.of(0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b)))
  return model.embed(
    random.chance(0.2) ? (random.typedArray() as Anything) : offsets,
    random.chance(0.3)
      ? randomIds(random)
      : Int32Array.from({ length: offsets.at(-1)! }, () => random.below(config.vocabSize)),
    random.pick(['mean', 'last', 'last', random.anything()]) as Anything,
    control,
    random.chance(0.1) ? (random.anything() as Anything) : undefined,
  )
}

/** A pack of one tree whose tokens come after `kept` rows of a session. */
function packAfter(kept: number, random: Random): NativePack {
  const pack = randomPack(config, 1, random.int(1, 20))
  return { ...pack, positions: pack.positions.map(position => position + kept) }
}

/** Runs steps of two sequences, some with arguments that fit nothing. */
async function steps(random: Random, owner: NativeModel): Promise<void> {
  const sampling = {
    temperature: random.pick([0, 0.7]),
    topK: random.int(0, 5),
    topP: random.pick([1, 0.5]),
    minP: random.pick([0, 0.2]),
    seed: 3,
  }
  const session: NativeSession = owner.session()
  const rows = random.pick([64, 64, 64, 1, 2 ** 31 - 1])
  const running: Promise<unknown>[] = [
    session.resize(
      random.chance(0.1) ? (random.anything() as Anything) : rows,
      random.chance(0.1) ? (random.anything() as Anything) : new Int32Array(0),
      randomControl(random),
    ),
  ]
  const held = [0, 0]
  for (let i = random.int(1, 5); i > 0; i--) {
    const lengths = [random.int(1, 12), random.int(1, 12)]
    let sequences = Int32Array.of(0, held[0]!, 1, 32, held[1]!, 2)
    let offsets = Int32Array.of(0, lengths[0]!, lengths[0]! + lengths[1]!)
    let ids = Int32Array.from({ length: offsets[2]! }, () => random.below(config.vocabSize))
    let samplings: Anything = [sampling, random.chance(0.15) ? spoil(random, sampling) : sampling]
    if (random.chance(0.05)) samplings = random.anything()
    if (random.chance(0.15)) sequences = random.typedArray() as Anything
    if (random.chance(0.15)) offsets = random.anything() as Anything
    if (random.chance(0.15)) ids = randomIds(random) as Anything
    const adjustments = {
      ...{ offsets: Int32Array.of(0, 1, 2), ids: Int32Array.of(0, random.int(0, config.vocabSize)) },
      ...{ penalties: Float32Array.of(1.5, 1), addends: Float32Array.of(random.pick([0, -Infinity]), 2) },
    }
    const words = new Int32Array(2 * Math.ceil(config.vocabSize / 32)).fill(random.pick([-1, 1, 0]))
    const masks = { ofSequences: Int32Array.of(random.int(-1, 1), random.int(-1, 1)), words }
    const changing: Anything = random.pick([undefined, adjustments, spoil(random, adjustments)])
    for (const k of [0, 1]) held[k]! += lengths[k]!
    if (random.chance(0.2)) {
      const copies = Int32Array.of(random.int(-1, 64), random.int(-1, 64), random.int(0, 40))
      running.push(session.copy(copies, randomControl(random)))
    }
    running.push(
      session.step(
        ...([sequences, samplings, offsets as Anything, ids as Anything] as const),
        ...([randomControl(random), false, changing] as const),
        random.pick([undefined, Int32Array.of(2, 0), Int32Array.of(random.oddNumber(), 3)]),
        random.pick([undefined, masks, spoil(random, masks)]) as Anything,
      ),
    )
    if (random.chance(0.3)) {
      const kept = random.int(0, held[0]!)
      const pack = random.chance(0.3) ? mutatedPack(random, config) : packAfter(kept, random)
      const segments = random.pick([undefined, Int32Array.of(0, kept), random.typedArray()]) as Anything
      running.push(session.score({ ...pack, segments }, randomControl(random)))
    }
    if (random.chance(0.1)) session.dispose()
  }
  if (random.chance(0.02)) {
    owner.dispose()
    disposed = true
  }
  for (const ended of await Promise.allSettled(running))
    if (ended.status === 'rejected') checkError(ended.reason, 'step', Error)
}

function loadArguments(random: Random): [Anything, Anything, Anything] {
  const spoilt = random.below(6)
  let list = tensors
  if (spoilt === 0 || spoilt === 1) {
    const at = random.below(tensors.length)
    list = tensors.map((tensor, i) => (i === at ? spoiltTensor(random, tensor) : tensor))
  } else if (spoilt === 2) list = random.anything() as Anything
  else if (spoilt === 3) list = tensors.filter(() => random.chance(0.9))
  return [
    spoilt === 4 ? spoil(random, config) : config,
    list,
    spoilt === 5
      ? spoil(random, options)
      : { ...options, dtype: random.pick(['float32', 'bfloat16', 'float16']) },
  ]
}

function weightBytes(random: Random, control: Control): unknown {
  const [config, , options] = loadArguments(random)
  return addon.weightBytes(config, options, control)
}

function readRows(random: Random, control: Control): unknown {
  const tensor = random.pick(tensors)
  const count = random.chance(0.8) ? random.int(1, 40) : random.oddNumber()
  const own = random.chance(0.5) ? tensor : spoiltTensor(random, tensor)
  return addon.readRows(
    own,
    config.headDim,
    random.int(0, 20),
    count,
    random.pick(['F32', 'Q8_0', 'Q4_K']),
    control,
  )
}

async function load(random: Random, control: Control): Promise<void> {
  const loaded = await addon.load(...loadArguments(random), control)
  const logits = loaded.logits(Int32Array.of(1, 2), newControl())
  if (random.chance(0.5)) loaded.dispose()
  await logits
  loaded.dispose()
}

/** Trains a model of its own, so that the other one's scores stay known. */
async function train(random: Random, control: Control): Promise<void> {
  const own = await addon.load(config, tensors, options, newControl())
  try {
    await trainingCalls(random, own, config, control)
  } finally {
    own.dispose()
  }
}

/** Loads a copy of the weights' file with some of its bytes changed or missing. */
async function loadFile(random: Random, control: Control): Promise<void> {
  const file = path.join(folder, `weights-${random.below(1e9)}`)
  writeFileSync(file, mutateBytes(random, weights))
  try {
    const loaded = await addon.load(
      config,
      tensors.map(tensor => ({ ...tensor, parts: tensor.parts.map(part => ({ ...part, file })) })),
      options,
      control,
    )
    await loaded.logits(Int32Array.of(1, 2), newControl())
    loaded.dispose()
  } finally {
    rmSync(file)
  }
}

function timeOp(random: Random): Promise<unknown> {
  const request = {
    ...{
      op: random.pick([...opNames, ...trainOpNames]),
      rows: random.int(1, 40),
      cache: random.pick([0, 0, 70]),
      seconds: 0,
    },
    ...{ hiddenSize: random.int(1, 70), intermediateSize: random.int(1, 70), vocabSize: random.int(1, 300) },
    ...{ heads: random.int(1, 4), kvHeads: random.int(1, 2), headDim: random.int(1, 20) },
  }
  const [name, value] = random.pick([
    ...(['rows', 'cache', 'hiddenSize', 'heads', 'kvHeads', 'headDim', 'vocabSize', 'seconds'] as const).map(
      name => [name, random.pick([-1, 0.5, 2 ** 25, Number.NaN, '1', null, undefined])] as const,
    ),
    ['op', random.anything()] as const,
  ])
  return addon.timeOp(
    (random.chance(0.4) ? { ...request, [name]: value } : request) as Anything,
    random.chance(0.2) ? spoil(random, options) : options,
    random.chance(0.5) ? newControl() : cancelledSoon(random),
  )
}
