// Gives every method of the addon wrong arguments: each is refused with a code, and none crashes.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadAddon } from '../../src/native/addon.ts'
import type { NativeConfig, NativeModel, NativePack, NativeTensor } from '../../src/native/types.ts'
import { skip } from '../skip.ts'
import {
  greedy,
  newControl,
  openSession,
  type RandomModel,
  randomPack,
  writeRandomModel,
} from './random-model.ts'

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tested
type Anything = any
const f32 = (...values: number[]) => Float32Array.from(values)
type Row = [what: string, change: Record<string, Anything>, code: string]

const cpu = { dtype: 'float32', device: 'cpu', threads: 0 } as const
const notThese = [undefined, null, 1, 'text', {}, [], new Float32Array(4), detached()]

describe('arguments', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-arguments-'))
  let random: RandomModel
  let model: NativeModel
  before(async () => {
    random = writeRandomModel(folder)
    model = await loadAddon().load(random.config, random.tensors, cpu, newControl())
  })
  after(() => {
    model.dispose()
    rmSync(folder, { recursive: true })
  })

  /** Two sequences of three tokens, all next tokens scored: rows 0 1 3 4. */
  const pack = (change: Partial<NativePack> = {}) => ({ ...randomPack(random.config, 2, 3), ...change })

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
      it(`${what}: ${code}`, () => refuses(() => model.score(pack(change), newControl()), code))

    it('a sequence longer than the context: CONTEXT_LENGTH', () =>
      refuses(() => model.score(randomPack(random.config, 1, 513), newControl()), 'CONTEXT_LENGTH'))

    for (const field of ['ids', 'positions', 'branchStart', 'trees', 'rows', 'targets'] as const)
      it(`${field} of another type: INVALID_ARGUMENT`, async () => {
        for (const value of notThese)
          await refuses(() => model.score(pack({ [field]: value }), newControl()), 'INVALID_ARGUMENT')
      })

    it('another type than a pack or a control: INVALID_ARGUMENT', async () => {
      for (const value of notThese as Anything[]) {
        await refuses(() => model.score(value, newControl()), 'INVALID_ARGUMENT')
        await refuses(() => model.score(pack(), value), 'INVALID_ARGUMENT')
      }
      await refuses(() => model.score(pack(), new Int32Array(1)), 'INVALID_ARGUMENT')
      await refuses(() => (model as Anything).score(), 'INVALID_ARGUMENT')
    })

    it('a getter that throws: its error', async () => {
      const trap = Object.defineProperty(pack(), 'branchStart', {
        get() {
          throw new RangeError('trap')
        },
      })
      await assert.rejects(async () => model.score(trap, newControl()), {
        name: 'RangeError',
        message: 'trap',
      })
    })
  })

  describe('of logits()', () => {
    it('wrong ids and types', async () => {
      await refuses(() => model.logits(Int32Array.of(1, -1), newControl()), 'TOKEN_OUT_OF_RANGE')
      await refuses(() => model.logits(Int32Array.of(1, 96), newControl()), 'TOKEN_OUT_OF_RANGE')
      await refuses(() => model.logits(new Int32Array(0), newControl()), 'INVALID_ARGUMENT')
      await refuses(() => model.logits(new Int32Array(513), newControl()), 'CONTEXT_LENGTH')
      for (const value of notThese as Anything[])
        await refuses(() => model.logits(value, newControl()), 'INVALID_ARGUMENT')
    })
  })

  describe('of embed()', () => {
    const embed = (...args: Anything[]) => (model.embed as Anything)(...args)
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

  describe('of a session', () => {
    const i32 = (...numbers: number[]) => Int32Array.from(numbers)
    const two = [greedy, greedy]

    it('a wrong number of rows: INVALID_ARGUMENT', async () => {
      const session = model.session()
      const resize = (rows: Anything, copies: Anything = i32()) => session.resize(rows, copies, newControl())
      for (const rows of [-1, 2 ** 31, 2 ** 32 + 4, 2 ** 64, -(2 ** 32) + 4, 4.5])
        await refuses(() => resize(rows), 'INVALID_ARGUMENT')
      for (const value of [...notThese.filter(value => value !== 1), i32(4)]) {
        await refuses(() => resize(value), 'INVALID_ARGUMENT')
        await refuses(() => session.resize(4, i32(), value as Anything), 'INVALID_ARGUMENT')
      }
      await resize(4)
      for (const copies of [
        // A detached array is an empty one: there is nothing to copy.
        ...notThese.slice(0, -1),
        i32(0, 0),
        i32(0, 0, 5),
        i32(3, 0, 2),
        i32(0, 7, 2),
        i32(-1, 0, 1),
      ]) {
        if (copies !== undefined) await refuses(() => resize(8, copies), 'INVALID_ARGUMENT')
        await refuses(() => session.copy(copies as Anything, newControl()), 'INVALID_ARGUMENT')
      }
      await refuses(() => session.copy(i32(0, 1, 2), newControl()), 'INVALID_ARGUMENT')
      session.dispose()
    })

    it('a wrong sampling of any sequence: INVALID_ARGUMENT', async () => {
      const session = await openSession(model, 8)
      const step = (...samplings: Anything[]) =>
        session.step(i32(0, 0, 0, 4, 0, 1), samplings, i32(0, 1, 2), i32(1, 1), newControl())
      for (const change of [
        { temperature: 1e300 },
        { temperature: -1e300 },
        { topP: -1e300 },
        { topP: Number.POSITIVE_INFINITY },
        { topK: 2 ** 32 },
        { seed: -1 },
        { seed: 2 ** 64 },
        { seed: 0.5 },
        { temperature: -1 },
        { temperature: Number.NaN },
        { topP: 2 },
        { minP: 2 },
        { minP: -0.1 },
        { minP: undefined },
        { topK: -1 },
        { topP: 'x' },
      ])
        await refuses(() => step(greedy, { ...greedy, ...change }), 'INVALID_ARGUMENT')
      for (const samplings of [
        [],
        [greedy],
        [greedy, greedy, greedy],
        [greedy, 'greedy'],
        [greedy, undefined],
      ])
        await refuses(() => step(...samplings), 'INVALID_ARGUMENT')
      session.dispose()
    })

    it('wrong numbers of alternatives: INVALID_ARGUMENT', async () => {
      const session = await openSession(model, 8)
      const step = (counts: Anything) =>
        session.step(
          ...([i32(0, 0, 0, 4, 0, 1), two, i32(0, 1, 2), i32(1, 1), newControl()] as const),
          ...([false, undefined, counts] as const),
        )
      const { topIds, topLogProbs } = await step(i32(0, 96))
      assert.deepEqual([topIds.length, topLogProbs.length, new Set(topIds).size], [96, 96, 96])
      for (const counts of [i32(1), i32(1, 1, 1), i32(0, -1), i32(97, 0), [1, 1], 2, null])
        await refuses(() => step(counts), 'INVALID_ARGUMENT')
      session.dispose()
    })

    it('wrong adjustments: refused, whatever is wrong of them', async () => {
      const session = await openSession(model, 8)
      const right = { offsets: i32(0, 0, 2), ids: i32(3, 95), penalties: f32(1, 1.5), addends: f32(0, -1) }
      const step = (adjustments: Anything) =>
        session.step(i32(0, 0, 0, 4, 0, 1), two, i32(0, 1, 2), i32(1, 1), newControl(), false, adjustments)
      await step(right)
      for (const change of [
        { offsets: i32(0, 2) },
        { offsets: i32(0, 2, 1) },
        { offsets: i32(0, -1, 2) },
        { offsets: i32(1, 1, 2) },
        { offsets: i32(0, 1, 3) },
        { offsets: [0, 0, 2] },
        { ids: i32(95, 3) },
        { ids: i32(3, 3) },
        { ids: i32(3) },
        { penalties: f32(1) },
        { penalties: f32(1, 0) },
        { penalties: f32(1, Number.POSITIVE_INFINITY) },
        { addends: f32(0, 0, 0) },
        { addends: f32(0, Number.NaN) },
        { addends: undefined },
      ])
        await refuses(() => step({ ...right, ...change }), 'INVALID_ARGUMENT')
      for (const ids of [i32(-1, 3), i32(3, 96)])
        await refuses(() => step({ ...right, ids }), 'TOKEN_OUT_OF_RANGE')
      for (const adjustments of [null, 5, 'x']) await refuses(() => step(adjustments), 'INVALID_ARGUMENT')
      session.dispose()
    })

    it('wrong masks: INVALID_ARGUMENT, whatever is wrong of them', async () => {
      const session = await openSession(model, 8)
      const right = { ofSequences: i32(1, -1), words: i32(0, 0, 0, 1 << 9, 0, 0) }
      const step = (masks: Anything) =>
        session.step(
          ...([i32(0, 0, 0, 4, 0, 1), two, i32(0, 1, 2), i32(1, 1), newControl()] as const),
          ...([false, undefined, undefined, masks] as const),
        )
      assert.equal((await step(right)).ids[0], 9)
      const shared = await step({ ofSequences: i32(0, 0), words: i32(0, 0, -(2 ** 31)) })
      assert.deepEqual([...shared.ids], [95, 95])
      const detached = i32(0, 0, 0, 1 << 9, 0, 0)
      structuredClone(detached, { transfer: [detached.buffer] })
      for (const change of [
        { ofSequences: i32(1) },
        { ofSequences: i32(1, -1, -1) },
        { ofSequences: i32(2, -1) },
        { ofSequences: i32(-2, 1) },
        { ofSequences: [1, -1] },
        // No token may be drawn.
        { ofSequences: i32(0, -1) },
        { words: i32(0, 0, 0, 1 << 9, 0) },
        { words: i32() },
        { words: detached },
        { words: new Uint32Array(right.words) },
        { words: undefined },
      ])
        await refuses(() => step({ ...right, ...change }), 'INVALID_ARGUMENT')
      for (const masks of [null, 5, 'x']) await refuses(() => step(masks), 'INVALID_ARGUMENT')
      session.dispose()
    })

    // The session has 8 rows.
    const steps: [what: string, args: Int32Array[], code: string][] = [
      ['two numbers for a sequence', [i32(0, 0), i32(0, 1), i32(1)], 'INVALID_ARGUMENT'],
      ['a row that is not there', [i32(8, 0, 0), i32(0, 1), i32(1)], 'INVALID_ARGUMENT'],
      ['a negative row', [i32(-1, 0, 0), i32(0, 1), i32(1)], 'INVALID_ARGUMENT'],
      ['a negative length', [i32(0, -1, 0), i32(0, 1), i32(1)], 'INVALID_ARGUMENT'],
      ['two sequences in one row', [i32(0, 0, 0, 0, 0, 1), i32(0, 1, 2), i32(1, 1)], 'INVALID_ARGUMENT'],
      ['too few offsets', [i32(0, 0, 0, 4, 0, 1), i32(0, 1), i32(1, 1)], 'INVALID_ARGUMENT'],
      ['offsets that fall', [i32(0, 0, 0, 4, 0, 1), i32(0, 2, 1), i32(1, 1)], 'INVALID_ARGUMENT'],
      ['a negative offset', [i32(0, 0, 0), i32(-1, 1), i32(1)], 'INVALID_ARGUMENT'],
      ['offsets past the ids', [i32(0, 0, 0), i32(0, 2), i32(1)], 'INVALID_ARGUMENT'],
      ['a sequence without tokens', [i32(0, 0, 0, 4, 0, 1), i32(0, 0, 1), i32(1)], 'INVALID_ARGUMENT'],
      ['no sequences', [i32(), i32(0), i32()], 'INVALID_ARGUMENT'],
      ['more tokens than rows', [i32(4, 0, 0), i32(0, 5), i32(1, 1, 1, 1, 1)], 'INVALID_ARGUMENT'],
      ['more tokens than positions', [i32(0, 512, 0), i32(0, 1), i32(1)], 'CONTEXT_LENGTH'],
      ['a negative id', [i32(0, 0, 0), i32(0, 1), i32(-1)], 'TOKEN_OUT_OF_RANGE'],
      ['an id of the vocabulary size', [i32(0, 0, 0), i32(0, 1), i32(96)], 'TOKEN_OUT_OF_RANGE'],
    ]
    for (const [what, [sequences, offsets, ids], code] of steps)
      it(`${what}: ${code}, and the session goes on as if it had not been asked`, async () => {
        const session = await openSession(model, 8)
        const samplings = Array(Math.floor(sequences!.length / 3)).fill(greedy)
        await refuses(() => session.step(sequences!, samplings, offsets!, ids!, newControl()), code)
        const good = [i32(0, 0, 0, 4, 0, 1), two, i32(0, 2, 3), i32(5, 6, 7)] as const
        const after = await session.step(...good, newControl())
        const fresh = await openSession(model, 8)
        assert.deepEqual(after, await fresh.step(...good, newControl()))
        session.dispose()
        fresh.dispose()
      })

    it('score() without rows or segments is that of the model', async () => {
      const session = model.session()
      const expected = await model.score(pack(), newControl())
      assert.deepEqual(await session.score(pack(), newControl()), expected)
      assert.deepEqual(await session.score(pack({ segments: i32(0, 0, 0, 0) }), newControl()), expected)
      session.dispose()
      await refuses(() => session.score(pack(), newControl()), 'DISPOSED')
    })

    it('wrong packs and segments of score(): refused', async () => {
      const session = await openSession(model, 8)
      const { positions } = pack()
      /** The positions of the two sequences after so many tokens each. */
      const after = (first: number, second: number) => positions.map((at, i) => at + (i < 3 ? first : second))
      const score = (change: Anything) => session.score(pack(change), newControl())
      await score({ segments: i32(0, 8, 4, 4), positions: after(8, 4) })
      for (const change of [
        { segments: i32(0, 9, 0, 0), positions: after(9, 0) },
        { segments: i32(1, 8, 0, 0), positions: after(8, 0) },
        { segments: i32(-1, 2, 0, 0), positions: after(2, 0) },
        { segments: i32(2 ** 31 - 1, 2 ** 31 - 1, 0, 0) },
        { segments: i32(0, -1, 0, 0) },
        { segments: i32(0, 4, 0, 0) },
        { segments: i32(0, 4) },
        { topK: 97 },
        { rows: i32(0, 6, 3, 4) },
        ...notThese.slice(1).map(segments => ({ segments })),
      ])
        await refuses(() => score(change), 'INVALID_ARGUMENT')
      await refuses(() => score({ targets: i32(1, 2, 3, 96) }), 'TOKEN_OUT_OF_RANGE')
      for (const value of notThese as Anything[]) {
        await refuses(() => session.score(value, newControl()), 'INVALID_ARGUMENT')
        await refuses(() => session.score(pack(), value), 'INVALID_ARGUMENT')
      }
      session.dispose()
    })

    it('steps of wrong types: INVALID_ARGUMENT', async () => {
      const session = await openSession(model, 4)
      const good = [i32(0, 0, 0), [greedy], i32(0, 1), i32(1), newControl()]
      for (const place of good.keys())
        for (const value of notThese)
          await refuses(
            () => (session.step as Anything).apply(session, good.with(place, value as Anything)),
            'INVALID_ARGUMENT',
          )
      session.dispose()
    })
  })

  describe('of load() and weightBytes()', () => {
    const config = (change: Record<string, Anything>) => ({ ...random.config, ...change }) as NativeConfig
    const configs: [what: string, change: Record<string, Anything>][] = [
      ['no layers', { layers: 0 }],
      ['a negative vocabulary', { vocabSize: -1 }],
      ['a size that is no number', { hiddenSize: '32' }],
      ['a size that is no integer', { intermediateSize: 1.5 }],
      ['an infinite size', { hiddenSize: Number.POSITIVE_INFINITY }],
      ['heads that share unevenly', { heads: 3 }],
      ['no kv heads', { kvHeads: 0 }],
      ['an odd head', { headDim: 7, ropeFrequencies: new Float32Array(3) }],
      ['windows of another number of layers', { windows: Int32Array.of(1) }],
      ['a window of no position', { windows: Int32Array.of(4, 0) }],
      ['windows of another type', { windows: [4, 4] }],
      ['too few frequencies', { ropeFrequencies: new Float32Array(1) }],
      ['frequencies of another type', { ropeFrequencies: [1, 2, 3, 4] }],
      ['a size past 2^32', { layers: 2 ** 32 + 2 }],
      ['a size past 2^64', { contextLength: 2 ** 65 }],
      ['an epsilon that float32 does not hold', { rmsNormEps: 1e300 }],
      ['an epsilon that is no number', { rmsNormEps: Number.NaN }],
      ['a factor that float32 does not hold', { ropeAttentionFactor: -1e300 }],
      ['a frequency that is not finite', { ropeFrequencies: new Float32Array(4).fill(Number.NaN) }],
      ['a size that overflows', { vocabSize: 2 ** 31 - 1, hiddenSize: 2 ** 31 - 1 }],
    ]
    for (const [what, change] of configs)
      it(`a config with ${what}`, () =>
        refuses(
          () => loadAddon().load(config(change), random.tensors, cpu, newControl()),
          'INVALID_ARGUMENT|TENSOR_SHAPE',
        ))

    const tensors: [what: string, change: Record<string, Anything>, code: string][] = [
      ['a file that is not there', { file: '/nowhere/model.safetensors' }, 'FILE_READ'],
      ['a folder for a file', { file: tmpdir() }, 'FILE_READ'],
      ['a file that is no string', { file: 7 }, 'INVALID_ARGUMENT'],
      [
        'a file whose name holds a NUL',
        { file: `${path.join(folder, 'model.safetensors')}\0` },
        'INVALID_ARGUMENT',
      ],
      ['bytes past the end of the file', { offset: 2 ** 40 }, 'FILE_READ'],
      ['a negative offset', { offset: -8 }, 'INVALID_ARGUMENT|FILE_READ'],
      ['an offset past 2^53', { offset: 2 ** 53 + 2 }, 'INVALID_ARGUMENT'],
      ['an infinite offset', { offset: Number.POSITIVE_INFINITY }, 'INVALID_ARGUMENT'],
      ['bytes past 2^53', { bytes: 2 ** 64 }, 'INVALID_ARGUMENT'],
      ['a shape past 2^53', { shape: [2 ** 64, 1] }, 'INVALID_ARGUMENT'],
      ['half a row', { shape: [95.5, 32] }, 'INVALID_ARGUMENT'],
      ['an offset that is no number', { offset: Number.NaN }, 'INVALID_ARGUMENT|FILE_READ'],
      ['bytes that are not its shape', { bytes: 16 }, 'TENSOR_SHAPE|INVALID_ARGUMENT'],
      ['another shape', { shape: [96, 31], bytes: 4 * 96 * 31 }, 'TENSOR_SHAPE'],
      ['a negative shape', { shape: [-96, -32] }, 'TENSOR_SHAPE|INVALID_ARGUMENT'],
      ['a shape that is no array', { shape: 96 }, 'INVALID_ARGUMENT'],
      ['a type that is not known', { type: 'I8' }, 'TENSOR_DTYPE'],
      ['a type that is no string', { type: {} }, 'INVALID_ARGUMENT|TENSOR_DTYPE'],
    ]
    for (const [what, change, code] of tensors)
      it(`a tensor with ${what}: ${code}`, () => {
        const [first] = random.tensors
        const parts = [{ ...first!.parts[0], ...change }]
        const changed = random.tensors.with(0, { ...first, parts } as NativeTensor)
        return refuses(() => loadAddon().load(random.config, changed, cpu, newControl()), code)
      })

    it('a tensor that is missing, names itself', async () => {
      const { error } = await refuses(
        () => loadAddon().load(random.config, random.tensors.slice(1), cpu, newControl()),
        'INVALID_ARGUMENT|TENSOR_SHAPE',
      )
      assert.match(error.message, /model\.embed_tokens\.weight/)
    })

    it('weights that are not finite, or cut while they are read, name the tensor or the file', async () => {
      const own = path.join(folder, 'broken')
      const broken = writeRandomModel(own)
      const last = broken.tensors.at(-1)!
      const [part] = last.parts
      writeFileSync(part!.file, Buffer.from(Float32Array.of(Number.NaN).buffer), { flag: 'r+', flush: true })
      const moved = broken.tensors.with(-1, { ...last, parts: [{ ...part!, offset: 0 }] })
      const notFinite = await refuses(
        () => loadAddon().load(broken.config, moved, cpu, newControl()),
        'WEIGHT_NOT_FINITE',
      )
      assert.match(notFinite.error.message, /model\.norm\.weight/)
      truncateSync(part!.file, part!.offset)
      const cut = await refuses(
        () => loadAddon().load(broken.config, broken.tensors, cpu, newControl()),
        'FILE_READ',
      )
      assert.match(cut.error.message, /model\.safetensors/)
    })

    it('options and arguments of wrong types', async () => {
      for (const options of [
        { ...cpu, dtype: 'int3' },
        { ...cpu, device: 'abacus' },
        { ...cpu, threads: -1 },
        { ...cpu, threads: 2 ** 32 },
        { ...cpu, threads: 1.5 },
        { ...cpu, device: `cuda:${2 ** 32}` },
        { ...cpu, device: 'cpu\0' },
        { ...cpu, threads: 'all' },
        ...notThese,
      ] as Anything[]) {
        const code = 'INVALID_ARGUMENT|DEVICE_UNAVAILABLE'
        await refuses(() => loadAddon().load(random.config, random.tensors, options, newControl()), code)
        await refuses(() => loadAddon().weightBytes(random.config, options, newControl()), code)
      }
      for (const value of notThese as Anything[]) {
        await refuses(() => loadAddon().load(value, random.tensors, cpu, newControl()), 'INVALID_ARGUMENT')
        await refuses(() => loadAddon().load(random.config, random.tensors, cpu, value), 'INVALID_ARGUMENT')
        if (!Array.isArray(value))
          await refuses(() => loadAddon().load(random.config, value, cpu, newControl()), 'INVALID_ARGUMENT')
      }
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
      await refuses(() => model.score(pack({ [field]: many }), newControl()), 'INVALID_ARGUMENT')
    await refuses(() => model.logits(many, newControl()), 'INVALID_ARGUMENT')
    const session = await openSession(model, 4)
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
      () => model.score(pack({ topK: -1 }), newControl()),
      () => model.score(pack(), new Int32Array(2)),
      () => model.logits(Int32Array.of(-1), newControl()),
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
    const expected = await model.score(pack, newControl())
    for (const self of [undefined, {}, new Int32Array(4), await loadAnother(random)])
      assert.deepEqual(await model.score.call(self as NativeModel, pack, newControl()), expected)
  })
})

/** Makes a model of the same shape that is disposed: scoring with it is an error. */
async function loadAnother({ config, tensors }: RandomModel): Promise<NativeModel> {
  const other = await loadAddon().load(config, tensors, cpu, newControl())
  other.dispose()
  return other
}

/** Waits for the refusal, thrown or rejected, with one of the codes ('A|B'). */
async function refuses(call: () => unknown, codes: string): Promise<{ error: Error }> {
  try {
    await call()
  } catch (error) {
    const { code } = error as { code?: string }
    assert.ok(codes.split('|').includes(code ?? 'none'), `want ${codes}, have ${code ?? 'no code'}: ${error}`)
    return { error: error as Error }
  }
  assert.fail(`want ${codes}, have no error`)
}

/** Makes an array whose buffer is detached. */
function detached(): Int32Array {
  const array = new Int32Array(4)
  structuredClone(array.buffer, { transfer: [array.buffer] })
  return array
}
