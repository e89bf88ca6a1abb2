// Tests the addon's peaks() and timeOp(): their counts against counts by hand, what they refuse, and that they can be aborted.
import assert from 'node:assert/strict'
import { opNames, trainOpNames } from '../../src/bench/ops.ts'
import { loadAddon } from '../../src/native/addon.ts'
import type { Device, NativeOp, NativeOpRequest } from '../../src/native/types.ts'
import { newControl } from './random-model.ts'

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tested
type Anything = any

const addon = loadAddon()
const { gpus } = await addon.gpus(newControl())
const devices: Device[] = ['cpu', 'reference', ...gpus.map((_, i) => `cuda:${i}` as const)]
const shape = { hiddenSize: 64, intermediateSize: 96, heads: 4, kvHeads: 2, headDim: 16, vocabSize: 200 }
const [rows, seconds] = [8, 0.001]

const time = (request: Partial<NativeOpRequest>, device: Device = 'cpu', control = newControl()) =>
  addon.timeOp(
    { ...shape, op: 'qkv', rows, cache: 0, seconds, ...request },
    { dtype: 'float32', device, threads: 1 },
    control,
  )

describe('bench jobs', () => {
  // The ops run on 8 rows in float32 with the sizes hidden 64, q 64, k and v 32 each, ffn 96, vocabulary 200.
  const counts: [op: NativeOp, cache: number, flops: number, memoryBytes: number, bytes: number][] = [
    ['embed', 0, 0, 0, 4 * (8 * 64 + 8 * 64)],
    ['rms_norm', 0, 0, 0, 4 * (8 * 64 + 8 * 64)],
    ['qkv', 0, 2 * 8 * 64 * 128, 4 * 64 * 128, 4 * (8 * 64 + 64 * 128 + 8 * 128)],
    // Row i sees i + 1 tokens: 36 in all, q . K and the sum over V.
    ['attention', 0, 4 * 64 * 36, 0, 4 * (8 * 64 + 2 * 8 * 32 + 8 * 64)],
    ['attention', 100, 4 * 64 * (36 + 8 * 100), 4 * 2 * 100 * 32, 4 * (8 * 64 + 2 * 108 * 32 + 8 * 64)],
    ['append_kv', 0, 0, 0, 4 * (2 * 8 * 32 + 2 * 8 * 32)],
    ['linear_add out', 0, 2 * 8 * 64 * 64, 4 * 64 * 64, 4 * (8 * 64 + 64 * 64 + 8 * 64)],
    ['swiglu', 0, 2 * 8 * 64 * 192, 4 * 64 * 192, 4 * (8 * 64 + 64 * 192 + 8 * 96)],
    ['linear_add down', 0, 2 * 8 * 96 * 64, 4 * 96 * 64, 4 * (8 * 96 + 96 * 64 + 8 * 64)],
    ['gather_rows', 0, 0, 0, 4 * (8 * 64 + 8 * 64)],
    ['head_score', 0, 2 * 8 * 64 * 200, 4 * 64 * 200, 4 * (8 * 64 + 64 * 200 + 8 * 2)],
    ['head_sample', 0, 2 * 8 * 64 * 200, 4 * 64 * 200, 4 * (8 * 64 + 64 * 200 + 8 * 2)],
    ['head_logits', 0, 2 * 8 * 64 * 200, 4 * 64 * 200, 4 * (8 * 64 + 64 * 200 + 8 * 200)],
    // Those of training; adapters have the rank 8. What is added to is read and written.
    ['head_loss', 0, 6 * 8 * 64 * 200, 0, 4 * (2 * 64 * 200 + 2 * 8 * 64 + 2 * 64 * 200)],
    ['rms_norm_backward', 0, 0, 0, 4 * (2 * 8 * 64 + 2 * 8 * 64)],
    ['linear_backward', 0, 2 * 8 * 96 * 64, 0, 4 * (8 * 96 + 8 * 64 + 2 * 96 * 64)],
    // Of 96 columns 91, and of 11 of z 8; of these all.
    [
      'linear_backward thin',
      0,
      2 * 8 * (91 * 8 + 11 * 64),
      0,
      4 * (8 * 160 + 2 * (8 * 11 + 91 * 8 + 11 * 64)),
    ],
    ['product', 0, 2 * 8 * 64 * (8 + 2 * 72), 0, 4 * (64 * 64 + 2 * 8 * 64 + 2 * 8 * 8 + 3 * 8 * 64)],
    ['swiglu_backward', 0, 2 * 8 * 96 * 72, 0, 4 * (96 * 72 + 8 * 72 + 2 * 8 * 192 + 8 * 96)],
    // Scores again, and the four gradients: five products of 36 pairs.
    ['attention_backward', 0, 10 * 64 * 36, 0, 4 * (3 * 8 * 64 + 2 * 8 * 32 + 8 * 4 + 8 * 128)],
    ['rope_backward', 0, 0, 0, 4 * 2 * 8 * 128],
    ['scatter_rows', 0, 0, 0, 4 * (8 * 64 + 2 * 8 * 64)],
    ['embed_backward', 0, 0, 0, 4 * 3 * 8 * 64],
    ['repack', 0, 0, 0, 4 * 4 * (128 * 64 + 32 * 3)],
    ['convert', 0, 0, 0, 4 * 3 * 8 * 64],
    ['adamw', 0, 0, 0, 4 * 8 * 96 * 64],
  ]
  for (const [op, cache, flops, memoryBytes, bytes] of counts)
    it(`${op}${cache > 0 ? ` after ${cache} positions` : ''}: operations and bytes are those counted by hand`, async () => {
      for (const device of devices) {
        const timing = await time({ op, cache }, device)
        const { secondsP10, secondsP90, runs, rowsChecked } = timing
        assert.deepEqual(
          { flops: timing.flops, memoryBytes: timing.memoryBytes, bytes: timing.bytes },
          { flops, memoryBytes, bytes },
          device,
        )
        assert.ok(secondsP10 > 0 && secondsP10 <= timing.seconds && timing.seconds <= secondsP90, device)
        assert.equal(timing.fromMemory, false, 'so few bytes stay in caches')
        assert.ok(runs >= 5 && rowsChecked >= 4, device)
      }
    })

  it('weights that copies can carry past all caches come from memory', async () => {
    const { fromMemory, memoryBytes } = await time({ op: 'linear_add down', intermediateSize: 4096 })
    assert.deepEqual([fromMemory, memoryBytes], [true, 4 * 4096 * 64])
  })

  it('peaks name the instruction of every dtype, and rates of all of them', async () => {
    for (const device of devices) {
      const { arithmetic, read, instructions } = await addon.peaks(device, 1, newControl())
      const names = arithmetic.map(({ instruction }) => instruction)
      assert.equal(new Set(names).size, names.length)
      for (const dtype of ['float32', 'bfloat16', 'float16'] as const)
        assert.ok(names.includes(instructions[dtype]), `${device} ${dtype}`)
      for (const rate of [read, ...arithmetic.map(({ flops }) => flops)])
        assert.ok(rate > 0 && Number.isFinite(rate), device)
      if (device === 'cpu') assert.deepEqual(names, addon.cpu().variants)
    }
  })

  it('the op names of the command are all those that native has', async () => {
    const error = await time({ op: 'none' as NativeOp }).catch(error => error as Error)
    const names = /expected one of (.*)$/.exec((error as Error).message)?.[1]?.split(', ')
    assert.deepEqual(names, [...opNames, ...trainOpNames])
  })

  const wrong: [field: string, values: Anything[]][] = [
    ['op', ['softmax', 1, undefined]],
    ['rows', [0, -1, 1.5, 2 ** 21, '8', undefined]],
    ['cache', [-1, 2 ** 21, undefined]],
    ['seconds', [-1, Number.NaN, Number.POSITIVE_INFINITY, '1']],
    ['hiddenSize', [0, 2 ** 25, Number.NaN]],
    ['heads', [0, 3, 2 ** 23]],
    ['headDim', [0, 15]],
    ['kvHeads', [0, 3]],
    ['vocabSize', [0, undefined]],
  ]
  it('timeOp() refuses a cache for what is trained on', async () => {
    await assert.rejects(time({ op: 'attention_backward', cache: 1 }), {
      code: 'INVALID_ARGUMENT',
      message: 'cache is not a whole number in 0 .. 0',
    })
  })

  for (const [field, values] of wrong)
    it(`timeOp() refuses a wrong ${field}`, async () => {
      for (const value of values)
        await assert.rejects(time({ [field]: value }), { code: 'INVALID_ARGUMENT' }, String(value))
    })

  it('peaks() refuses wrong arguments', async () => {
    const peaks = addon.peaks as Anything
    for (const args of [
      ['gpu', 1],
      ['cpu', -1],
      ['cpu', 1.5],
      [undefined, 1],
      [],
      ['cpu', 1, new Int32Array(2)],
    ])
      await assert.rejects(peaks(...args, ...(args.length === 2 ? [newControl()] : [])), {
        code: 'INVALID_ARGUMENT',
      })
  })

  it('both end with ABORTED when they are told to', async () => {
    const control = newControl()
    control[0] = 1
    await assert.rejects(addon.peaks('cpu', 1, control), { code: 'ABORTED' })
    await assert.rejects(time({}, 'cpu', control), { code: 'ABORTED' })
    const later = newControl()
    setTimeout(() => Atomics.store(later, 0, 1), 50)
    await assert.rejects(time({ seconds: 1000 }, 'cpu', later), { code: 'ABORTED' })
  })
})
