// Gives methods of a model wrong arguments: each is refused with a code, and none crashes.
import assert from 'node:assert/strict'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadAddon } from '../../src/native/addon.ts'
import type { NativeModel } from '../../src/native/types.ts'
import { skip } from '../skip.ts'
import { greedy, newControl, openSession, type RandomModel, randomPack } from './random-model.ts'
import { type Anything, cpu, notThese, refuses, testedModel } from './refusals.ts'

type Row = [what: string, change: Record<string, Anything>, code: string]

describe('arguments of a model', () => {
  const { random, model, pack } = testedModel()

  describe('of score()', () => {
    const rows: Row[] = [
      ['a negative id', { ids: Int32Array.of(0, -1, 2, 3, 4, 5) }, 'TOKEN_OUT_OF_RANGE'],
      ['an id of the vocabulary size', { ids: Int32Array.of(0, 1, 96, 3, 4, 5) }, 'TOKEN_OUT_OF_RANGE'],
      ['a negative target', { targets: Int32Array.of(1, 2, -3, 4) }, 'TOKEN_OUT_OF_RANGE'],
      ['a target of the vocabulary size', { targets: Int32Array.of(1, 2, 3, 96) }, 'TOKEN_OUT_OF_RANGE'],
      [
        'a position that is not its place',
        { positions: Int32Array.of(0, 1, 512, 0, 1, 2) },
        'INVALID_ARGUMENT',
      ],
      ['a negative position', { positions: Int32Array.of(0, -1, 2, 0, 1, 2) }, 'INVALID_ARGUMENT'],
      ['too few positions', { positions: Int32Array.of(0, 1, 2) }, 'INVALID_ARGUMENT'],
      ['too few branch starts', { branchStart: Int32Array.of(0, 0) }, 'INVALID_ARGUMENT'],
      [
        'a branch that starts after the token',
        { branchStart: Int32Array.of(0, 0, 5, 3, 3, 3) },
        'INVALID_ARGUMENT',
      ],
      [
        'a branch that starts in another tree',
        { branchStart: Int32Array.of(0, 0, 0, 0, 3, 3) },
        'INVALID_ARGUMENT',
      ],
      ['a negative branch start', { branchStart: Int32Array.of(0, 0, -1, 3, 3, 3) }, 'INVALID_ARGUMENT'],
      ['fewer targets than rows', { targets: Int32Array.of(1) }, 'INVALID_ARGUMENT'],
      ['a negative row', { rows: Int32Array.of(-1, 1, 3, 4) }, 'INVALID_ARGUMENT'],
      ['a row past the pack', { rows: Int32Array.of(0, 1, 3, 6) }, 'INVALID_ARGUMENT'],
      ['no trees', { trees: new Int32Array(0) }, 'INVALID_ARGUMENT'],
      ['trees that are no triples', { trees: Int32Array.of(0, 3, 0, 3) }, 'INVALID_ARGUMENT'],
      ['trees that leave tokens out', { trees: Int32Array.of(0, 3, 0) }, 'INVALID_ARGUMENT'],
      ['a tree past the pack', { trees: Int32Array.of(0, 3, 0, 3, 7, 0) }, 'INVALID_ARGUMENT'],
      ['a tree that ends before it starts', { trees: Int32Array.of(0, 6, 0, 6, 3, 0) }, 'INVALID_ARGUMENT'],
      ['trees that overlap', { trees: Int32Array.of(0, 4, 0, 3, 6, 0) }, 'INVALID_ARGUMENT'],
      ['a prefix longer than the tree', { trees: Int32Array.of(0, 3, 4, 3, 6, 0) }, 'INVALID_ARGUMENT'],
      ['a negative prefix', { trees: Int32Array.of(0, 3, -1, 3, 6, 0) }, 'INVALID_ARGUMENT'],
      ['a negative topK', { topK: -1 }, 'INVALID_ARGUMENT'],
      ['a topK above the vocabulary', { topK: 97 }, 'INVALID_ARGUMENT'],
      ['a topK that is no number', { topK: 'two' }, 'INVALID_ARGUMENT'],
      ['a topK that is no integer', { topK: Number.NaN }, 'INVALID_ARGUMENT'],
      ['a topK past 2^31', { topK: 2 ** 32 + 1 }, 'INVALID_ARGUMENT'],
      ['a topK past 2^64', { topK: 2 ** 64 }, 'INVALID_ARGUMENT'],
    ]
    for (const [what, change, code] of rows)
      it(`${what}: ${code}`, () => refuses(() => model().score(pack(change), newControl()), code))

    it('a sequence longer than the context: CONTEXT_LENGTH', () =>
      refuses(() => model().score(randomPack(random.config, 1, 513), newControl()), 'CONTEXT_LENGTH'))

    for (const field of ['ids', 'positions', 'branchStart', 'trees', 'rows', 'targets'] as const)
      it(`${field} of another type: INVALID_ARGUMENT`, async () => {
        for (const value of notThese)
          await refuses(() => model().score(pack({ [field]: value }), newControl()), 'INVALID_ARGUMENT')
      })

    it('another type than a pack or a control: INVALID_ARGUMENT', async () => {
      for (const value of notThese as Anything[]) {
        await refuses(() => model().score(value, newControl()), 'INVALID_ARGUMENT')
        await refuses(() => model().score(pack(), value), 'INVALID_ARGUMENT')
      }
      await refuses(() => model().score(pack(), new Int32Array(1)), 'INVALID_ARGUMENT')
      await refuses(() => (model() as Anything).score(), 'INVALID_ARGUMENT')
    })

    it('a getter that throws: its error', async () => {
      const trap = Object.defineProperty(pack(), 'branchStart', {
        get() {
          throw new RangeError('trap')
        },
      })
      await assert.rejects(async () => model().score(trap, newControl()), {
        name: 'RangeError',
        message: 'trap',
      })
    })
  })

  describe('of logits()', () => {
    it('wrong ids and types', async () => {
      await refuses(() => model().logits(Int32Array.of(1, -1), newControl()), 'TOKEN_OUT_OF_RANGE')
      await refuses(() => model().logits(Int32Array.of(1, 96), newControl()), 'TOKEN_OUT_OF_RANGE')
      await refuses(() => model().logits(new Int32Array(0), newControl()), 'INVALID_ARGUMENT')
      await refuses(() => model().logits(new Int32Array(513), newControl()), 'CONTEXT_LENGTH')
      for (const value of notThese as Anything[])
        await refuses(() => model().logits(value, newControl()), 'INVALID_ARGUMENT')
    })
  })

  describe('of embed()', () => {
    const embed = (...args: Anything[]) => (model().embed as Anything)(...args)
    const good: Anything[] = [Int32Array.of(0, 2, 3), Int32Array.of(4, 5, 6), 'mean', newControl()]

    it('wrong texts and types: refused', async () => {
      assert.equal((await embed(...good)).length, 2 * random.config.hiddenSize)
      const texts: [offsets: number[], ids: number[], code: string][] = [
        [[], [], 'INVALID_ARGUMENT'],
        [[0], [], 'INVALID_ARGUMENT'],
        [[0, 0], [], 'INVALID_ARGUMENT'],
        [[1, 2], [1, 2], 'INVALID_ARGUMENT'],
        [[0, 2, 1, 3], [1, 2, 3], 'INVALID_ARGUMENT'],
        [[0, 2], [1, 2, 3], 'INVALID_ARGUMENT'],
        [[0, 4], [1, 2, 3], 'INVALID_ARGUMENT'],
        [[0, 2], [1, 96], 'TOKEN_OUT_OF_RANGE'],
        [[0, 513], Array(513).fill(1), 'CONTEXT_LENGTH'],
      ]
      for (const [offsets, ids, code] of texts)
        await refuses(() => embed(Int32Array.from(offsets), Int32Array.from(ids), 'last', newControl()), code)
      for (const place of good.keys())
        for (const value of [...notThese, 'max'])
          await refuses(() => embed(...good.with(place, value)), 'INVALID_ARGUMENT')
    })
  })

  it('arrays of more elements than an int counts: INVALID_ARGUMENT, before they are copied', async function () {
    let many: Int32Array<ArrayBuffer>
    try {
      many = new Int32Array(2 ** 31)
    } catch (error) {
      skip(this, `this machine gives no 8 GiB of zeros: ${(error as Error).message}`)
    }
    for (const field of ['ids', 'positions', 'branchStart', 'trees', 'rows', 'targets'] as const)
      await refuses(() => model().score(pack({ [field]: many }), newControl()), 'INVALID_ARGUMENT')
    await refuses(() => model().logits(many, newControl()), 'INVALID_ARGUMENT')
    const session = await openSession(model(), 4)
    const step = [Int32Array.of(0, 0, 0), Int32Array.of(0, 1), Int32Array.of(1)] as const
    for (const place of step.keys()) {
      const [sequences, offsets, ids] = step.with(place, many) as [Int32Array, Int32Array, Int32Array]
      await refuses(() => session.step(sequences, [greedy], offsets, ids, newControl()), 'INVALID_ARGUMENT')
    }
    session.dispose()
  })

  it('refused calls leave no promise behind', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const refused = [
      () => model().score(pack({ topK: -1 }), newControl()),
      () => model().score(pack(), new Int32Array(2)),
      () => model().logits(Int32Array.of(-1), newControl()),
      () => loadAddon().gpuFreeBytes(Number.NaN, newControl()),
    ]
    const refuseAll = async (times: number) => {
      for (let i = 0; i < times; i++) for (const call of refused) await assert.rejects(call)
    }
    /** Native holds a promise that is not settled by a global handle. */
    const handleBytes = async () => {
      await new Promise(setImmediate)
      collect()
      return getHeapStatistics().used_global_handles_size
    }
    await refuseAll(100)
    const before = await handleBytes()
    await refuseAll(1000)
    const grown = (await handleBytes()) - before
    assert.ok(grown < 10_000, `4000 refused calls hold ${grown} bytes of handles`)
  })

  it('called on another `this`, a method still belongs to its own object', async () => {
    const pack = randomPack(random.config, 2, 3)
    const expected = await model().score(pack, newControl())
    for (const self of [undefined, {}, new Int32Array(4), await loadAnother(random)])
      assert.deepEqual(await model().score.call(self as NativeModel, pack, newControl()), expected)
  })
})

/** Makes a model of the same shape that is disposed: scoring with it is an error. */
async function loadAnother({ config, tensors }: RandomModel): Promise<NativeModel> {
  const other = await loadAddon().load(config, tensors, cpu, newControl())
  other.dispose()
  return other
}
