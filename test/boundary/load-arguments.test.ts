// Gives the loading of a model wrong arguments and files: each is refused with a code, and none crashes.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadAddon } from '../../src/native/addon.ts'
import type { NativeConfig, NativeTensor } from '../../src/native/types.ts'
import { newControl, type RandomModel, writeRandomModel } from './random-model.ts'
import { type Anything, cpu, notThese, refuses } from './refusals.ts'

describe('arguments of load() and weightBytes()', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-load-'))
  let random: RandomModel
  before(() => {
    random = writeRandomModel(folder)
  })
  after(() => rmSync(folder, { recursive: true }))

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
