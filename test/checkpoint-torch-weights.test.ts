// PyTorch weights of a Hugging Face directory, single and sharded; and the pickles of golden/hostile.
import assert from 'node:assert/strict'
import { copyFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { readTorchFile } from '../src/checkpoint/pickle/torch-file.ts'
import type { ErrorCode } from '../src/errors.ts'
import { safetensorsBytes, tinyConfig, tinyTensors, withFolder, writeFiles } from './checkpoint-files.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { bytes, dict, pickle, stateDict, tensorPickle, torchArchive } from './torch-files.ts'

describe('Hugging Face checkpoints: PyTorch weights', () => {
  const elementBytes: Record<string, number> = { F32: 4, BF16: 2, I64: 8 }
  const contents = (tensors: ReturnType<typeof tinyTensors>) =>
    Object.fromEntries(
      [...tensors.values()].map(({ shape, type }, i) => [
        `${i}`,
        Buffer.alloc(shape.reduce((a, b) => a * b, elementBytes[type]!)),
      ]),
    )
  const tiny = (tensors = tinyTensors()) => torchArchive(stateDict(tensors), contents(tensors))
  const open = (files: Record<string, object | Uint8Array>) =>
    withFolder(dir => {
      writeFiles(dir, { 'config.json': tinyConfig, ...files })
      return openCheckpoint(dir)
    })

  it('are read from pytorch_model.bin', async () => {
    const { tensors, storedTypes, warnings } = await open({ 'pytorch_model.bin': tiny(tinyTensors('BF16')) })
    assert.equal(tensors.length, 12)
    assert.equal(storedTypes, 'BF16')
    assert.deepEqual(warnings, [])
  })

  it('come after safetensors, as in transformers, single or sharded', async () => {
    const index = { weight_map: { 'model.norm.weight': 'a.safetensors' } }
    const broken = { 'pytorch_model.bin': bytes('broken'), 'pytorch_model.bin.index.json': bytes('broken') }
    for (const files of [
      { 'model.safetensors': safetensorsBytes(tinyTensors()) },
      { 'model.safetensors.index.json': index, 'a.safetensors': safetensorsBytes(tinyTensors()) },
    ])
      assert.equal((await open({ ...broken, ...files })).tensors.length, 12)
  })

  it('are read from shards with an index', async () => {
    const [first, second] = [[...tinyTensors()].slice(0, 5), [...tinyTensors()].slice(5)].map(
      part => new Map(part),
    )
    const map = Object.fromEntries(
      [...tinyTensors().keys()].map(name => [name, first!.has(name) ? 'a.bin' : 'b.bin']),
    )
    const { tensors } = await open({
      'pytorch_model.bin.index.json': { weight_map: map },
      ...{ 'a.bin': tiny(first), 'b.bin': tiny(second) },
    })
    assert.deepEqual(
      Object.fromEntries(tensors.map(({ name, parts }) => [name, basename(parts[0]!.file)])),
      map,
    )
  })

  const refused: [
    name: string,
    files: Record<string, object | Uint8Array>,
    code: ErrorCode,
    message: RegExp,
  ][] = [
    [
      'a transposed weight, naming strides and the way out',
      {
        'pytorch_model.bin': torchArchive(
          pickle(
            dict([
              ...[...tinyTensors()].map(([name, { shape }]): [string, Buffer] => {
                const strides = name === 'lm_head.weight' ? [1, 10] : [shape[1] ?? 1, 1].slice(-shape.length)
                const elements = shape.reduce((a, b) => a * b, 1)
                return [name, tensorPickle({ key: name, elements, shape, strides })]
              }),
            ]),
          ),
          Object.fromEntries(
            [...tinyTensors()].map(([name, { shape }]) => [
              name,
              Buffer.alloc(shape.reduce((a, b) => a * b, 4)),
            ]),
          ),
        ),
      },
      'CHECKPOINT_UNSUPPORTED',
      /^pytorch_model\.bin: "lm_head\.weight" is stored as F32 with strides \[1,10\], transposed or cut \(save a contiguous\(\) copy\); of a PyTorch file F32, F16, BF16 are read$/,
    ],
    [
      'a weight of whole numbers',
      { 'pytorch_model.bin': tiny(tinyTensors().set('model.norm.weight', { type: 'I64', shape: [8] })) },
      'CHECKPOINT_UNSUPPORTED',
      /"model\.norm\.weight" is stored as I64; of a PyTorch file F32, F16, BF16 are read$/,
    ],
    [
      'a missing tensor',
      { 'pytorch_model.bin': tiny(new Map([...tinyTensors()].slice(1))) },
      'TENSOR_MISSING',
      /^pytorch_model\.bin: no tensor "model\.embed_tokens\.weight", which every LLaMA has/,
    ],
    [
      'a shard of another kind than the index',
      { 'pytorch_model.bin.index.json': { weight_map: { x: 'a.safetensors' } } },
      'CHECKPOINT_CORRUPT',
      /^pytorch_model\.bin\.index\.json: "x" is in "a\.safetensors"; expected the name of a \.bin file/,
    ],
    [
      'a missing shard',
      { 'pytorch_model.bin.index.json': { weight_map: { x: 'a.bin' } } },
      'CHECKPOINT_NOT_FOUND',
      /a\.bin: no such file, but pytorch_model\.bin\.index\.json names it \(for "x"\)/,
    ],
  ]
  for (const [name, files, code, message] of refused)
    it(`refuse ${name}`, () => assert.rejects(open(files), { code, message }))
})

describe('golden/hostile: pickles', () => {
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
  })

  const rows: [name: string, message: RegExp][] = [
    ['calls-makedirs', /the pickle names "os\.makedirs"/],
    ['calls-makedirs-legacy', /the pickle names "os\.makedirs"/],
    ['calls-print', /the pickle names "__builtin__\.print"/],
    ['truncated', /not a valid zip archive .*Is the download complete\?/],
  ]
  it('are all here', () => {
    const names = readdirSync(shared('golden', 'hostile')).filter(name => name.endsWith('.bin'))
    assert.deepEqual(rows.map(([name]) => `${name}.bin`).sort(), names.sort())
  })
  for (const [name, message] of rows)
    it(`${name}.bin is refused, alone and as the weights of a checkpoint`, () =>
      withFolder(async dir => {
        const file = shared('golden', 'hostile', `${name}.bin`)
        await assert.rejects(readTorchFile(file), {
          message: new RegExp(`^${name}\\.bin: .*${message.source}`),
        })
        writeFiles(dir, { 'config.json': tinyConfig })
        copyFileSync(file, join(dir, 'pytorch_model.bin'))
        await assert.rejects(openCheckpoint(dir), {
          message: new RegExp(`^pytorch_model\\.bin: .*${message.source}`),
        })
        assert.deepEqual(readdirSync(dir).sort(), ['config.json', 'pytorch_model.bin'])
      }))
})
