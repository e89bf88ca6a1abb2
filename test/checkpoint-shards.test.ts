// Checkpoints in several safetensors files: what the index and the files say of each other.
import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import { loadModel } from '../src/index.ts'
import { safetensorsBytes, tinyConfig, tinyTensors, withFolder, writeFiles } from './checkpoint-files.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

describe('Hugging Face checkpoints: shards', () => {
  const index = (map: object | undefined) => ({ metadata: {}, weight_map: map })
  const all = (file: string) => Object.fromEntries([...tinyTensors().keys()].map(name => [name, file]))

  /** Opens a folder with this index, all tensors in a.safetensors, and other files. */
  const openShards = (map: object | undefined, files: Record<string, Uint8Array> = {}) =>
    withFolder(async dir => {
      writeFiles(dir, {
        'config.json': tinyConfig,
        'model.safetensors.index.json': index(map),
        'a.safetensors': safetensorsBytes(tinyTensors()),
        ...files,
      })
      return openCheckpoint(dir)
    })

  it('takes each tensor from the shard the index names', () =>
    withFolder(async dir => {
      const map = { ...all('a.safetensors'), 'model.norm.weight': 'b.safetensors' }
      writeFiles(dir, {
        'config.json': tinyConfig,
        'model.safetensors.index.json': index(map),
        'a.safetensors': safetensorsBytes(tinyTensors()),
        'b.safetensors': safetensorsBytes(new Map([['model.norm.weight', { type: 'F32', shape: [8] }]])),
      })
      const { tensors } = await openCheckpoint(dir)
      const files = new Map(tensors.map(tensor => [tensor.name, basename(tensor.parts[0]!.file)]))
      assert.equal(files.get('model.norm.weight'), 'b.safetensors')
      assert.equal(files.get('lm_head.weight'), 'a.safetensors')
    }))

  it('takes what a listed shard holds and the index leaves out', async () => {
    const { tensors, warnings } = await openShards({ 'model.norm.weight': 'a.safetensors' })
    assert.equal(tensors.length, tinyTensors().size)
    assert.deepEqual(warnings, [])
  })

  it('takes a tensor from another shard than the index says, where that lacks it', async () => {
    const map = { ...all('a.safetensors'), 'model.norm.weight': 'b.safetensors' }
    const { tensors } = await openShards(map, { 'b.safetensors': safetensorsBytes(new Map()) })
    const norm = tensors.find(tensor => tensor.name === 'model.norm.weight')
    assert.equal(basename(norm!.parts[0]!.file), 'a.safetensors')
  })

  it('warns of names that no shard holds and the model does not need', async () => {
    const { warnings } = await openShards({ ...all('a.safetensors'), 'mtp.fc.weight': 'a.safetensors' })
    assert.deepEqual(warnings, [
      'model.safetensors.index.json: names 1 that no shard holds and the model does not need: ["mtp.fc.weight"]',
    ])
  })

  it('keeps to the scores of transformers where the index names an absent tensor', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    await using model = await loadModel(shared('cases', 'index-names-absent-tensor'), { dtype: 'float32' })
    const [scores] = await model.score([{ prompt: [1, 20, 30], continuations: [[40, 50], [7]] }])
    const got = scores!.continuations.map(({ logLikelihood }) => logLikelihood)
    for (const [i, want] of [-14.1856, -11.4998].entries())
      assert.ok(Math.abs(got[i]! - want) < 2e-4, `${got}`)
  })

  const refused: [name: string, map: object | undefined, code: ErrorCode, message: RegExp][] = [
    [
      'a missing shard',
      { ...all('a.safetensors'), 'model.norm.weight': 'c.safetensors' },
      'CHECKPOINT_NOT_FOUND',
      /c\.safetensors: no such file, but model\.safetensors\.index\.json names it \(for "model\.norm\.weight"\)/,
    ],
    [
      'a tensor that is in no shard, which the index names',
      { ...all('norm.safetensors'), 'model.norm.weight': 'norm.safetensors' },
      'TENSOR_MISSING',
      /norm\.safetensors: no tensor "model\.embed_tokens\.weight", which model\.safetensors\.index\.json says is there/,
    ],
    [
      'a tensor that is in no shard and the index',
      { 'model.norm.weight': 'norm.safetensors' },
      'TENSOR_MISSING',
      /index\.json: no tensor "model\.embed_tokens\.weight", which every LLaMA has/,
    ],
    [
      'a path that leads out of the folder',
      { x: '../a.safetensors' },
      'CHECKPOINT_CORRUPT',
      /index\.json: "x" is in "\.\.\/a\.safetensors"; expected the name/,
    ],
    ['an absolute path', { x: '/dev/zero' }, 'CHECKPOINT_CORRUPT', /"x" is in "\/dev\/zero"/],
    ['a shard that is no name', { x: 7 }, 'CHECKPOINT_CORRUPT', /"x" is in 7/],
    ['no map', undefined, 'CHECKPOINT_CORRUPT', /index\.json: "weight_map" is not there, expected an object/],
  ]
  for (const [name, map, code, message] of refused) {
    it(`refuses ${name}`, () => {
      const norm = new Map([['model.norm.weight', { type: 'F32', shape: [8] }]])
      return assert.rejects(openShards(map, { 'norm.safetensors': safetensorsBytes(norm) }), {
        code,
        message,
      })
    })
  }
})
