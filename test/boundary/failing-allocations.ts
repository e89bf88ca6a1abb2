// Run by allocations.test.ts with the addon of npm run build:host-device: makes the n-th allocation of the addon fail, for
// every n there is, in every call of a model and of the addon itself. Prints for each call how many allocations failed,
// how often the call ended with OUT_OF_MEMORY and how often with its result. Throws where it ended otherwise.
//   failing-allocations.ts FOLDER ORDERS DEVICE [CALL]
// FOLDER is that of writeRandomModel(). ORDERS is the file that MT_LLAMA_FAILING_ALLOCATOR names. With CALL, only the calls
// whose names contain it are made.
import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { openSync, readSync, writeSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { type Model, MtLlamaError } from '../../src/index.ts'
import { openModel } from '../../src/model/load.ts'
import { defaultPlanner } from '../../src/model/planner-options.ts'
import { loadAddon } from '../../src/native/addon.ts'
import type { NativeModel, NativeOpRequest, NativeScores, NativeTensor } from '../../src/native/types.ts'
import { greedy, newControl, randomModel, randomPack } from './random-model.ts'

const [folder, orders, device, only = ''] = process.argv.slice(2) as [
  string,
  string,
  'cpu' | 'cuda:0',
  string?,
]
const addon = loadAddon()
const { config, tensors } = randomModel(folder)
const options = { dtype: 'float32', device, threads: 2 } as const
const file = openSync(orders, 'r+')
// Small packs take little memory, so that a model loads fast.
const loadModel = () => openModel(folder, options, { ...defaultPlanner, packTokens: 256 })

/** The n-th allocation from now on fails, with `all` those after it too; 0: none. */
function arm(n: number, all: boolean): void {
  writeSync(file, Int32Array.of(n, Number(all)), 0, 8, 0)
}

/** Ends what arm() began. Returns whether there was an n-th allocation. */
function disarm(): boolean {
  const words = new Int32Array(2)
  readSync(file, words, 0, 8, 0)
  arm(0, false)
  return words[0]! <= 0
}

const prompts = Array.from({ length: 3 }, (_, i) =>
  Array.from({ length: 70 + i }, (_, j) => (i * 31 + j * 7) % config.vocabSize),
)
const requests = prompts.map((prompt, i) => ({ prompt, continuations: [[1, 2, i], [3]] }))
const sampled = {
  ...{ maxTokens: 4, temperature: 0.8, topK: 20, topP: 0.9, seed: 3 },
  ...{ repetitionPenalty: 1.2, topLogProbs: 2, n: 2 },
}
const scorePack = { ...randomPack(config, 2, 70), topK: 3 }
const trainPack = { ...scorePack, weights: new Float32Array(scorePack.rows.length).fill(0.01) }
/** Three tokens after the 70 of a sequence in the first rows of a session. */
const afterSegment = {
  ids: Int32Array.of(5, 6, 7),
  positions: Int32Array.of(70, 71, 72),
  branchStart: new Int32Array(3),
  trees: Int32Array.of(0, 3, 0),
  segments: Int32Array.of(0, 70),
  rows: Int32Array.of(0, 2),
  targets: Int32Array.of(6, 8),
  topK: 2,
}
const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, decayVectors: false, maxNorm: 1 }
const timed: NativeOpRequest = { ...config, op: 'rms_norm', rows: 3, cache: 0, seconds: 0 }

const modelCalls: Record<string, (model: Model) => unknown> = {
  'score()': model => model.score(requests, { topK: 2 }),
  'scoreStream()': model => all(model.scoreStream(requests)),
  'score() after a prefix': async model => {
    using _ = await model.prefix(prompts[0]!.slice(0, 60))
    return await model.score(requests)
  },
  'embed()': model => model.embed(prompts),
  'generate()': model => model.generate(prompts, { maxTokens: 4 }),
  'generate(), sampled': model => model.generate(prompts, sampled),
  'generateStream()': model => all(model.generateStream(prompts[0]!, { maxTokens: 4 })),
  'logits()': model => model.logits(prompts[0]!),
  'dispose()': model => model.dispose(),
}

const nativeCalls: Record<string, (model: NativeModel) => unknown> = {
  'native score': model => model.score(scorePack, newControl()),
  'native reserve': async model => {
    await model.reserve(300, newControl())
  },
  'native embed': model =>
    model.embed(
      Int32Array.of(0, 70, 141),
      Int32Array.from([...prompts[0]!, ...prompts[1]!]),
      'mean',
      newControl(),
    ),
  'native logits': model => model.logits(Int32Array.from(prompts[0]!), newControl()),
  'native session': async model => {
    const session = model.session()
    await session.resize(100, new Int32Array(0), newControl())
    await session.resize(200, Int32Array.of(0, 0, 100), newControl())
    const samplings = [greedy, { ...greedy, temperature: 0.7 }]
    const first = await session.step(
      Int32Array.of(0, 0, 0, 100, 0, 1),
      samplings,
      Int32Array.of(0, 70, 73),
      Int32Array.from([...prompts[0]!, 1, 2, 3]),
      newControl(),
    )
    const second = await session.step(
      Int32Array.of(0, 70, 0, 100, 3, 1),
      samplings,
      Int32Array.of(0, 1, 2),
      first.ids,
      newControl(),
      false,
      {
        ...{ offsets: Int32Array.of(0, 0, 2), ids: Int32Array.of(1, 5) },
        ...{ penalties: Float32Array.of(1.5, 1), addends: Float32Array.of(0, 1) },
      },
      Int32Array.of(2, 1),
      { ofSequences: Int32Array.of(-1, 0), words: new Int32Array(Math.ceil(config.vocabSize / 32)).fill(-1) },
    )
    const scores = await session.score(afterSegment, newControl())
    session.dispose()
    return [first, second, scores]
  },
  'native trainer': async model => {
    const trainer = await model.trainer([], 0, newControl())
    const { loss } = await trainer.forwardBackward(trainPack, newControl())
    // Without a learning rate the weights stay what they are, so that every call has the same result.
    const norm = await trainer.step({ ...adamw, learningRate: 0, step: 1 }, newControl())
    trainer.dispose()
    return [loss, norm]
  },
  'native jobs behind one another': model =>
    together([1, 2, 3].map(() => model.score(scorePack, newControl()))),
  'native dispose during a job': async model => {
    const jobs = [model.score(scorePack, newControl()), model.dispose()] as const
    const [scores, disposed] = await Promise.allSettled(jobs)
    for (const ended of [scores, disposed]) if (ended.status === 'rejected') throw ended.reason
    return (scores as PromiseFulfilledResult<NativeScores>).value
  },
}

const addonCalls: Record<string, () => unknown> = {
  'loadModel()': async () => {
    await using model = await loadModel()
    return await model.logits([1, 2, 3])
  },
  'native load': async () => {
    const model = await addon.load(config, tensors, options, newControl())
    const logits = await model.logits(Int32Array.of(1, 2, 3), newControl())
    await model.dispose()
    return logits
  },
  'native weightBytes': () => addon.weightBytes(config, options, newControl()),
  'native parameters': () => addon.parameters(config),
  'native readRows': () => addon.readRows(tensors[0]!, config.headDim, 1, 20, 'F16', newControl()),
  'native gpus': () => addon.gpus(newControl()),
  'native gpuFreeBytes': async () => {
    await addon.gpuFreeBytes(0, newControl())
  },
  'native cpu': () => addon.cpu(),
  'native timeOp': async () => {
    await addon.timeOp(timed, options, newControl())
  },
  'native cpu, with more arguments than it has': () =>
    (addon.cpu as (...extra: number[]) => unknown)(1, 2, 3, 4, 5, 6, 7, 8),
  'native wrong arguments': async () => {
    const [{ parts, ...tensor }, ...others] = tensors as [NativeTensor, ...NativeTensor[]]
    const named = { ...tensor, parts: parts.map(part => ({ ...part, type: 'F33' as 'F32' })) }
    const wrong = addon.load(config, [named, ...others], options, newControl())
    const error = await wrong.then(
      () => assert.fail('it has loaded'),
      error => error,
    )
    if (error.code !== 'INVALID_ARGUMENT' && error.code !== 'TENSOR_DTYPE') throw error
    return error.message
  },
}

for (const [name, run] of Object.entries(modelCalls))
  await sweep(name, run, {
    open: loadModel,
    typed: true,
    close: model => model.dispose(),
  })
for (const [name, run] of Object.entries(nativeCalls))
  await sweep(name, run, {
    open: () => addon.load(config, tensors, options, newControl()),
    typed: false,
    close: model => model.dispose(),
  })
for (const [name, run] of Object.entries(addonCalls))
  await sweep(name, run, { open: async () => {}, typed: name === 'loadModel()', close: () => {} })

interface Subject<Opened> {
  open(): Promise<Opened>
  close(opened: Opened): unknown
  /** Whether it is a call of a Model: its errors are MtLlamaErrors, and every third allocation is enough beside the addon's own calls. */
  typed: boolean
}

async function sweep<Opened>(
  name: string,
  run: (opened: Opened) => unknown,
  { open, close, typed }: Subject<Opened>,
): Promise<void> {
  if (!name.includes(only)) return
  const first = await open()
  const expected = await run(first)
  await close(first)
  const { pending: ownPending } = await watched(async () => {})
  const counts = { failed: 0, refused: 0, answered: 0 }
  for (const allFail of [false, true])
    for (let n = 1, reached = true; reached; n += (typed ? 3 : 1) * (allFail ? 7 : 1)) {
      const opened = await open()
      const where = `${name}, allocation ${n}${allFail ? ' and all after it' : ''}`
      const call = () => attempt(() => run(opened), n, allFail)
      // A Model waits for aborts by promises of its own.
      const tried = typed ? { result: await call(), pending: ownPending } : await watched(call)
      assert.equal(tried.pending, ownPending, `${where}: promises that are not settled`)
      const { error, result, reached: another } = tried.result
      reached = another
      if (reached) counts[error ? 'refused' : 'answered']++
      if (error) {
        assert.equal((error as { code?: string }).code, 'OUT_OF_MEMORY', `${where}: ${error}`)
        if (typed) assert.ok(error instanceof MtLlamaError, `${where}: ${error}`)
      } else assert.deepEqual(result, expected, where)
      if (!name.includes('dispose')) assert.deepEqual(await run(opened), expected, `${where}: and then`)
      await close(opened)
    }
  counts.failed = counts.refused + counts.answered
  console.log(JSON.stringify({ name, ...counts }))
}

async function attempt(run: () => unknown, n: number, allFail: boolean) {
  arm(n, allFail)
  try {
    return { result: await run(), reached: disarm() }
  } catch (error) {
    return { error, reached: disarm() }
  }
}

/** Runs a call. Returns what it returns, and how many promises were made meanwhile that are not settled. */
async function watched<Result>(call: () => Promise<Result>): Promise<{ result: Result; pending: number }> {
  const pending = new Set<number>()
  const hook = createHook({
    init(id, type) {
      if (type === 'PROMISE') pending.add(id)
    },
    promiseResolve(id) {
      pending.delete(id)
    },
  }).enable()
  const result = await call()
  await turn()
  hook.disable()
  return { result, pending: pending.size }
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

/** The results of all, or the first error, once all have ended. */
async function together<Result>(jobs: Promise<Result>[]): Promise<Result[]> {
  await Promise.allSettled(jobs)
  return Promise.all(jobs)
}
