// The addon's trainer: wrong arguments, aborts and disposal; the same gradients whatever the threads; shared prefixes.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadAddon } from '../../src/native/addon.ts'
import { cancel } from '../../src/native/job.ts'
import type {
  Device,
  NativeModel,
  NativeStep,
  NativeTrainer,
  NativeTrainPack,
} from '../../src/native/types.ts'
import { newControl, type RandomModel, randomPack, writeRandomModel } from './random-model.ts'

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tested
type Anything = any

const adamw: NativeStep = {
  ...{ step: 1, learningRate: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8 },
  ...{ weightDecay: 0.1, decayVectors: false, maxNorm: 1 },
}
const queries = { module: 'model.layers.0.self_attn.q_proj', rank: 2, scale: 0.5 }
const norm = 'model.norm.weight'
const gateProjection = 'model.layers.0.mlp.gate_proj.weight'

describe('a trainer', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-trainer-'))
  let random: RandomModel
  let model: NativeModel
  let trainer: NativeTrainer
  const load = (device: Device = 'cpu', threads = 1) =>
    loadAddon().load(random.config, random.tensors, { dtype: 'float32', device, threads }, newControl())
  before(() => {
    random = writeRandomModel(folder)
  })
  after(() => rmSync(folder, { recursive: true }))
  beforeEach(async () => {
    model = await load()
    trainer = await model.trainer([], 0, newControl())
  })
  afterEach(() => model.dispose())

  /** Two sequences, all next tokens scored. */
  function pack(change: Partial<NativeTrainPack> = {}, length = 3): NativeTrainPack {
    const { topK: _, ...rows } = randomPack(random.config, 2, length)
    return { ...rows, weights: new Float32Array(rows.rows.length).fill(1 / rows.rows.length), ...change }
  }
  const gradient = (of: NativeTrainer, name: string) => of.read(name, 'gradient', newControl())

  const refused: [what: string, call: (of: Anything) => Promise<unknown>, message: RegExp][] = [
    ['no scored row', t => t.forwardBackward(pack(rowsOf(0)), newControl()), /no row is scored/],
    [
      'fewer weights than rows',
      t => t.forwardBackward(pack({ weights: new Float32Array(1) }), newControl()),
      /rows, targets and weights have 4, 4 and 1 elements/,
    ],
    [
      'a weight that is no number',
      t => t.forwardBackward(pack({ weights: new Float32Array(4).fill(Number.NaN) }), newControl()),
      /weights holds a number that is not finite/,
    ],
    [
      'a row of no token',
      t => t.forwardBackward(pack({ rows: Int32Array.of(0, 1, 2, 6) }), newControl()),
      /6/,
    ],
    [
      'a target that is no token',
      t => t.forwardBackward(pack({ targets: Int32Array.of(0, 1, 2, 96) }), newControl()),
      /targets/,
    ],
    ['no pack', t => t.forwardBackward(undefined, newControl()), /pack/],
    ['no weights', t => t.forwardBackward(pack({ weights: undefined as Anything }), newControl()), /weights/],
    ['no control', t => t.forwardBackward(pack()), /control/],
    ['step 0', t => t.step({ ...adamw, step: 0 }, newControl()), /step/],
    ['no learning rate', t => t.step({ ...adamw, learningRate: undefined }, newControl()), /learningRate/],
    [
      'another name',
      t => t.read('model.nor.weight', 'weight', newControl()),
      /"model.nor.weight" is no tensor/,
    ],
    [
      'another part',
      t => t.read(norm, 'weights', newControl()),
      /expected one of weight, gradient, mean, square/,
    ],
    [
      'adapters of a map that is not there',
      () => model.trainer([{ module: 'model.layers.2.mlp.up_proj', rank: 2, scale: 1 }], 0, newControl()),
      /"model.layers.2.mlp.up_proj" is no linear map of this model's layers/,
    ],
    [
      'two adapters of a map',
      () => model.trainer([queries, queries], 0, newControl()),
      /model.layers.0.self_attn.q_proj has two adapters/,
    ],
    [
      'an adapter of rank 0',
      () => model.trainer([{ ...queries, rank: 0 }], 0, newControl()),
      /rank 0, expected 1 .. 32/,
    ],
    [
      'an adapter of infinite scale',
      () => model.trainer([{ ...queries, scale: Number.POSITIVE_INFINITY }], 0, newControl()),
      /scale/,
    ],
    [
      'too few numbers',
      t => t.write(norm, 'weight', new Float32Array(31), newControl()),
      /31 numbers for "model.norm.weight", which has 32/,
    ],
  ]
  for (const [what, call, message] of refused)
    it(`refuses ${what}`, async () => {
      await assert.rejects(async () => call(trainer), message)
    })

  it('is disposed alone, or with its model', async () => {
    const other = await model.trainer([], 0, newControl())
    other.dispose()
    await assert.rejects(other.forwardBackward(pack(), newControl()), { code: 'DISPOSED' })
    await trainer.forwardBackward(pack(), newControl())
    model.dispose()
    await assert.rejects(trainer.step(adamw, newControl()), { code: 'DISPOSED' })
  })

  it('an aborted call leaves no gradient', async () => {
    await trainer.forwardBackward(pack(), newControl())
    const control = newControl()
    cancel(control)
    await assert.rejects(trainer.forwardBackward(pack(), control), { code: 'ABORTED' })
    for (const { name } of loadAddon().parameters(random.config))
      assert.ok(
        (await gradient(trainer, name)).every(value => value === 0),
        name,
      )
  })

  it('adds up the gradients of packs until a step', async () => {
    await trainer.forwardBackward(pack(), newControl())
    const once = await gradient(trainer, gateProjection)
    await trainer.forwardBackward(pack(), newControl())
    const twice = await gradient(trainer, gateProjection)
    assert.deepEqual(
      twice,
      once.map(value => value + value),
    )
    await trainer.step(adamw, newControl())
    assert.ok((await gradient(trainer, gateProjection)).every(value => value === 0))
  })

  it('the model scores with the weights of the last step', async () => {
    const { weights, ...rows } = pack()
    const scores = async () => (await model.score({ ...rows, topK: 0 }, newControl())).logProbs
    const sum = (values: Float32Array) =>
      values.reduce((total, value, i) => total - value * (weights[i] as number), 0)
    const first = await trainer.forwardBackward(pack(), newControl())
    near(first.loss, sum(await scores()), 1e-5)
    await trainer.step(adamw, newControl())
    const second = await trainer.forwardBackward(pack(), newControl())
    assert.ok(second.loss < first.loss, `the loss goes from ${first.loss} to ${second.loss}`)
    near(second.loss, sum(await scores()), 1e-5)
  })

  it('adapters are on the model while their trainer lives, and train nothing else', async () => {
    const { weights: _, ...rows } = pack()
    const scores = async () => (await model.score({ ...rows, topK: 0 }, newControl())).logProbs
    const base = await scores()
    const adapters = await model.trainer([queries], 0, newControl())
    assert.deepEqual(await scores(), base, 'zero adapters change nothing')
    await assert.rejects(model.trainer([queries], 0, newControl()), /the model has adapters already/)
    for (const [part, size] of [
      ['lora_A', 64],
      ['lora_B', 64],
    ] as const)
      await adapters.write(
        `${queries.module}.${part}.weight`,
        'weight',
        Float32Array.from({ length: size }, (_, i) => ((i % 7) - 3) / 10),
        newControl(),
      )
    assert.notDeepEqual(await scores(), base)
    await assert.rejects(adapters.read(norm, 'weight', newControl()), /no tensor that is trained/)
    adapters.dispose()
    assert.deepEqual(await scores(), base)
  })

  it('norms and biases do not decay unless they are asked to', async () => {
    for (const decayVectors of [false, true]) {
      const own = await load()
      const plain = await own.trainer([], 0, newControl())
      // Without gradients a weight changes by its decay alone.
      await plain.step({ ...adamw, learningRate: 0.5, weightDecay: 0.5, decayVectors }, newControl())
      const [first] = await plain.read(norm, 'weight', newControl())
      assert.equal(first, decayVectors ? 0.75 : 1)
      own.dispose()
    }
  })

  it('a gradient that is not finite changes no weight', async () => {
    const before = await trainer.read(norm, 'weight', newControl())
    await trainer.write(
      norm,
      'gradient',
      before.map(() => Number.POSITIVE_INFINITY),
      newControl(),
    )
    assert.equal(await trainer.step(adamw, newControl()), Number.POSITIVE_INFINITY)
    assert.deepEqual(await trainer.read(norm, 'weight', newControl()), before)
    assert.ok((await trainer.read(norm, 'mean', newControl())).every(value => value === 0))
  })

  for (const [device, adapters] of [
    ['cpu', []],
    ['cpu', [queries, { module: 'model.layers.1.mlp.down_proj', rank: 1, scale: 2 }]],
    ['reference', []],
  ] as const)
    it(`the same bits whether layers are computed again, on ${device}, ${adapters.length} adapters`, async () => {
      const names =
        adapters.length > 0
          ? adapters.flatMap(({ module }) => [`${module}.lora_A.weight`, `${module}.lora_B.weight`])
          : loadAddon()
              .parameters(random.config)
              .map(({ name }) => name)
      const of = async (keptBytes: number) => {
        const own = await load(device)
        const keeping = await own.trainer([...adapters], keptBytes, newControl())
        for (const name of adapters.length > 0 ? names : [])
          await keeping.write(
            name,
            'weight',
            (await keeping.read(name, 'weight', newControl())).fill(0.125),
            newControl(),
          )
        const { loss } = await keeping.forwardBackward(pack({}, 40), newControl())
        const gradients = []
        for (const name of names) gradients.push(await gradient(keeping, name))
        own.dispose()
        return { loss, gradients }
      }
      const none = await of(0)
      assert.ok(none.gradients.every(values => values.some(value => value !== 0)))
      // Of the two layers, which take some 90 KB each, the last one, and both.
      for (const keptBytes of [150_000, 2 ** 40]) assert.deepEqual(await of(keptBytes), none)
    })

  it('the same bits with one thread and with three', async () => {
    const of = async (threads: number) => {
      const own = await load('cpu', threads)
      const threaded = await own.trainer([], 0, newControl())
      const { loss } = await threaded.forwardBackward(pack({}, 150), newControl())
      const total = await threaded.step(adamw, newControl())
      const weights = []
      for (const { name } of loadAddon().parameters(random.config))
        weights.push(await threaded.read(name, 'weight', newControl()))
      own.dispose()
      return { loss, total, weights }
    }
    assert.deepEqual(await of(3), await of(1))
  })

  for (const device of ['reference', 'cpu'] as const)
    it(`sequences with a shared prefix have the gradients of the same sequences apart, on ${device}`, async () => {
      const prefix = [5, 6, 7, 8, 9]
      const branches = [[20, 21, 22], [30], [40, 41, 42, 43]]
      const own = await load(device, 2)
      const results = []
      for (const shared of [true, false]) {
        const both = await own.trainer([], 0, newControl())
        const { loss } = await both.forwardBackward(sequences(prefix, branches, shared), newControl())
        const gradients = new Map<string, Float32Array>()
        for (const { name } of loadAddon().parameters(random.config))
          gradients.set(name, await gradient(both, name))
        results.push({ loss, gradients })
        both.dispose()
      }
      const [tree, apart] = results as [(typeof results)[0], (typeof results)[0]]
      near(tree.loss, apart.loss, 1e-6)
      for (const [name, want] of apart.gradients) {
        const largest = want.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
        const worst = tree.gradients
          .get(name)
          ?.reduce((max, value, i) => Math.max(max, Math.abs(value - (want[i] as number))), 0)
        assert.ok((worst as number) <= 2e-5 * largest, `${name} is off by ${worst} of ${largest}`)
      }
      own.dispose()
    })
})

/** The branches' tokens are scored: as one tree, or each with a copy of the prefix. */
function sequences(prefix: number[], branches: number[][], shared: boolean): NativeTrainPack {
  const ids: number[] = []
  const positions: number[] = []
  const branchStart: number[] = []
  const trees: number[] = []
  const rows: number[] = []
  const targets: number[] = []
  const add = (tokens: number[], position: number, start: number) => {
    for (const [i, id] of tokens.entries()) {
      ids.push(id)
      positions.push(position + i)
      branchStart.push(start)
    }
  }
  for (const [index, branch] of branches.entries()) {
    const start = shared ? 0 : ids.length
    if (!shared || index === 0) add(prefix, 0, start)
    const first = ids.length
    add(branch, prefix.length, shared ? first : start)
    for (const [i, id] of branch.entries()) {
      rows.push(i > 0 ? first + i - 1 : start + prefix.length - 1)
      targets.push(id)
    }
    if (!shared) trees.push(start, ids.length, 0)
  }
  if (shared) trees.push(0, ids.length, prefix.length)
  return {
    ids: Int32Array.from(ids),
    positions: Int32Array.from(positions),
    branchStart: Int32Array.from(branchStart),
    trees: Int32Array.from(trees),
    rows: Int32Array.from(rows),
    targets: Int32Array.from(targets),
    weights: Float32Array.from(rows, () => 1 / rows.length),
  }
}

function rowsOf(count: number) {
  return {
    rows: new Int32Array(count),
    targets: new Int32Array(count),
    weights: new Float32Array(count),
  }
}

function near(own: number, want: number, share: number) {
  assert.ok(Math.abs(own - want) <= share * Math.abs(want), `${own} is not ${want}`)
}
