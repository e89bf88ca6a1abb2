// Holds what `mt-llama bench` counts to counts by hand, and tests its random weights and the memory it asks for.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { boundOf, prefillFlops, stepFlops, stepKvBytes, stepWeightBytes } from '../src/bench/counts.ts'
import { bothNeeds, checkNeeds, modelNeed, opsNeeds, peaksNeed, trainOpsNeeds } from '../src/bench/memory.ts'
import { randomCheckpoint } from '../src/bench/random-checkpoint.ts'
import { shapeConfig, shapeNames } from '../src/bench/shapes.ts'
import { timingOf } from '../src/bench/timing.ts'
import type { NativePeaks } from '../src/native/types.ts'

const never = new AbortController().signal
const tiny = {
  ...shapeConfig('135M'),
  ...{ hiddenSize: 6, intermediateSize: 10, layers: 2, heads: 3, kvHeads: 1, headDim: 2, vocabSize: 20 },
  tiedHead: false,
}
// A layer: q and o 6 x 6, k and v 2 x 6 each: 96 elements; gate, up and down 10 x 6: 180. The head: 120.

describe('bench counts', () => {
  it('prefill of 4 tokens', () => {
    // The attention matrices of two layers run for 4 rows, the feed-forward for 4 rows and, in the last layer, 1, the head for 1.
    const matrices = 2 * (2 * 4 * 96 + (4 + 1) * 180 + 120)
    // Rows see 1, 2, 3 and 4 tokens; q . K and the sum over V of 6 columns, in two layers.
    const attention = 2 * 2 * 2 * 6 * (1 + 2 + 3 + 4)
    assert.equal(prefillFlops(tiny, 4), matrices + attention)
  })

  it('a step of 3 sequences that have 5 positions', () => {
    assert.equal(stepFlops(tiny, 3, 5), 3 * (2 * (2 * (96 + 180) + 120) + 2 * 2 * 2 * 6 * 5))
    assert.equal(stepWeightBytes(tiny, 'bfloat16'), 2 * (2 * (96 + 180) + 120))
    assert.equal(stepWeightBytes(tiny, 'float32'), 4 * (2 * (96 + 180) + 120))
    // A position has a key and a value of 2 numbers in each of two layers, in float32.
    assert.equal(stepKvBytes(tiny, 3, 5), 3 * 5 * 2 * 2 * 2 * 4)
  })

  it('shapes have the parameters their names say', () => {
    const parameters = shapeNames.map(name =>
      randomCheckpoint(name, shapeConfig(name), 'float32').checkpoint.tensors.reduce(
        (n, { parts }) => n + parts[0]!.bytes / 4,
        0,
      ),
    )
    // Published are SmolLM2-135M with 134,515,008 parameters, TinyLlama-1.1B with 1,100,048,384, LLaMA-7B with 6,738,415,616.
    assert.deepEqual(parameters, [134_515_008, 1_100_048_384, 6_738_415_616])
  })

  it('a share is of the peak that takes longer', () => {
    const peaks: NativePeaks = {
      ...{ arithmetic: [{ instruction: 'fma', flops: 100 }], read: 10, backend: '' },
      instructions: { float32: 'fma', bfloat16: 'fma', float16: 'fma' },
    }
    const bound = (flops: number, bytes: number) => boundOf({ flops, bytes, seconds: 8 }, peaks, 'float32')
    assert.deepEqual(bound(400, 10), { bound: 'fma', share: 0.5 })
    assert.deepEqual(bound(100, 20), { bound: 'read', share: 0.25 })
    assert.deepEqual(bound(0, 0), { bound: null, share: null })
  })

  it('timings are a median and percentiles', () => {
    const times = Array.from({ length: 21 }, (_, i) => 21 - i)
    assert.deepEqual(timingOf(times), { seconds: 11, secondsP10: 3, secondsP90: 19, runs: 21 })
    assert.deepEqual(timingOf([2]), { seconds: 2, secondsP10: 2, secondsP90: 2, runs: 1 })
  })

  it('what does not fit is refused, with the figures', () => {
    const config = shapeConfig('7B')
    const gib = 2 ** 30
    // There are 6.7 G weights of 4 bytes, and 2,048 positions with 1 MiB of keys and values each.
    const model = modelNeed(config, 4 * 6_738_415_616, 1024, 2048)
    assert.ok(model.bytes > 27 * gib && model.bytes < 28 * gib, String(model.bytes))
    // The head takes 500 MiB for itself, as much for a copy, and five times its size as float32 on the host.
    const ops = bothNeeds(opsNeeds(config, 'float32'))
    assert.ok(ops.bytes > 3.4 * gib && ops.bytes < 3.6 * gib, String(ops.bytes))
    // The head, transposed too, its gradient, and nine times its size on the host.
    const trainOps = bothNeeds(trainOpsNeeds(config, 'float32', 512))
    assert.ok(trainOps.bytes > 5.8 * gib && trainOps.bytes < 6.2 * gib, String(trainOps.bytes))
    assert.throws(() => checkNeeds('7B as float32 on cpu', [ops, model], 16 * gib), {
      code: 'OUT_OF_MEMORY',
      message:
        /^7B as float32 on cpu: .* takes 27\.\d\d GiB \(weights, .*\), but 16\.00 GiB are available\. /,
    })
    checkNeeds('7B', [ops, model], 28 * gib)
    assert.throws(() => checkNeeds('7B', [peaksNeed], gib / 4), {
      code: 'OUT_OF_MEMORY',
      message: /the peaks/,
    })
  })
})

describe('random weights', () => {
  it('are refused where the temporary folder has no room for them, or is not there', () => {
    const large = { ...tiny, vocabSize: 2 ** 24, hiddenSize: 2 ** 20 }
    assert.throws(() => randomCheckpoint('large', large, 'float32').checkRoom(), {
      code: 'OUTPUT',
      message: /random weights need a file of \d+ MiB, but \d+ MiB are free; TMPDIR names another folder$/,
    })
    const { TMPDIR } = process.env
    process.env.TMPDIR = '/absent/folder'
    try {
      assert.throws(() => randomCheckpoint('tiny', tiny, 'float32').checkRoom(), {
        code: 'OUTPUT',
        message: /^\/absent\/folder: .*ENOENT/,
      })
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = TMPDIR
    }
  })

  // Each row has the bits of one, of the smallest weight and of the largest in its type.
  const types = [
    ['float32', Uint32Array, 0x3f800000, 0x3c800000, 0x3d000000],
    ['bfloat16', Uint16Array, 0x3f80, 0x3c80, 0x3d00],
    ['float16', Uint16Array, 0x3c00, 0x2400, 0x2800],
  ] as const
  for (const [dtype, Bits, one, low, high] of types)
    it(`${dtype}: one file of the largest tensor's size, for as long as it is wanted`, async () => {
      const config = { ...tiny, vocabSize: 400_000 }
      const { checkpoint, write, remove } = randomCheckpoint('tiny', config, dtype)
      const { file } = checkpoint.tensors[0]!.parts[0]!
      const bytes = Bits.BYTES_PER_ELEMENT
      assert.ok(!existsSync(file))
      await write(never)
      try {
        assert.equal(statSync(file).size, (400_000 * 6 + 6) * bytes)
        assert.equal(statSync(file).mode & 0o077, 0)
        const numbers = new Bits(new Uint8Array(readFileSync(file)).buffer)
        const sign = 2 ** (8 * bytes - 1)
        let negative = 0
        for (const number of numbers.subarray(0, -6)) {
          const size = number % sign
          if (number >= sign) negative++
          if (!(size >= low && size < high)) assert.fail(`${number.toString(16)} is no weight`)
        }
        assert.ok(Math.abs(negative / numbers.length - 0.5) < 0.01)
        assert.deepEqual([...numbers.subarray(-6)], Array(6).fill(one))
        for (const { name, shape, parts } of checkpoint.tensors) {
          const { offset, bytes: size } = parts[0]!
          assert.equal(size, bytes * shape.reduce((a, b) => a * b), name)
          assert.equal(offset, shape.length === 1 ? 400_000 * 6 * bytes : 0, name)
        }
      } finally {
        remove()
      }
      assert.ok(!existsSync(file))
    })
})
