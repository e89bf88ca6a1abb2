// Deltas: base + delta is the target bit for bit, in whatever format the base is, and what cannot belong together is said.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Checkpoint } from '../src/checkpoint/checkpoint.ts'
import { deltaOf } from '../src/checkpoint/delta.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { loadAddon } from '../src/native/addon.ts'
import { newControl } from '../src/native/job.ts'
import type { NativeTensor } from '../src/native/types.ts'
import {
  type FileTensor,
  safetensorsBytes,
  tinyConfig,
  tinyTensors,
  withFolder,
  writeFiles,
} from './checkpoint-files.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

function halves(tensor: NativeTensor): Promise<Uint8Array> {
  return loadAddon().readRows(tensor, 16, 0, tensor.shape[0]!, 'F16', newControl())
}

describe('deltas', () => {
  it('base + delta is the target of golden/delta, bit for bit', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const golden = (name: string) => shared('golden', 'delta', name)
    const sum = await openCheckpoint(golden('base'), { delta: golden('delta') })
    const target = await openCheckpoint(golden('target'))
    assert.deepEqual(sum.warnings, [])
    assert.equal(sum.config.vocabSize, 321)
    assert.equal(sum.autoDType, 'float16')
    assert.equal(sum.tensors.length, target.tensors.length)
    for (const tensor of target.tensors) {
      const own = sum.tensors.find(({ name }) => name === tensor.name)!
      assert.deepEqual(await halves(own), await halves(tensor), tensor.name)
    }
  })

  it('target - base is rounded to float16 once', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const open = (name: string) => openCheckpoint(shared('golden', 'delta', name))
    const [base, target] = [await open('base'), await open('target')]
    const floats = async (tensor: NativeTensor) => {
      const bytes = await loadAddon().readRows(tensor, 16, 0, tensor.shape[0]!, 'F32', newControl())
      return new Float32Array(bytes.buffer)
    }
    for (const tensor of deltaOf(base, target).tensors) {
      const of = ({ tensors }: Checkpoint) => tensors.find(({ name }) => name === tensor.name)!
      const [delta, from, to] = [await floats(tensor), await floats(of(base)), await floats(of(target))]
      for (const [i, value] of delta.entries()) {
        const exact = to[i]! - (from[i] ?? 0)
        assert.ok(Math.abs(value - exact) <= Math.abs(exact) * 2 ** -11 + 2 ** -25, `${tensor.name}, ${i}`)
      }
    }
  })

  const random = (scale: number, seed: number, config: object = {}, drop?: string) => {
    const sizes = { ...tinyConfig, ...config }
    const shapes = [...tinyTensors()].map(([name, { shape }]): [string, FileTensor] => {
      const own = shape.map(n => (n === 12 ? sizes.intermediate_size : n === 10 ? sizes.vocab_size : n))
      const count = own.reduce((a, b) => a * b)
      const values = Float32Array.from({ length: count }, (_, i) => scale * Math.sin(1 + i * seed))
      return [name, { type: 'F32', shape: own, data: new Uint8Array(values.buffer) }]
    })
    return {
      'config.json': sizes,
      'model.safetensors': safetensorsBytes(new Map(shapes.filter(([name]) => name !== drop))),
    }
  }
  type Files = ReturnType<typeof random>
  const withBoth = (base: Files, delta: Files, body: (base: string, delta: string) => Promise<void>) =>
    withFolder(async dir => {
      for (const [folder, files] of Object.entries({ base, delta }))
        for (const [name, content] of Object.entries(files))
          writeFiles(dir, { [`${folder}/${name}`]: content })
      await body(join(dir, 'base'), join(dir, 'delta'))
    })

  const tied = { tie_word_embeddings: true }
  const refused: [what: string, base: Files, delta: Files, message: RegExp][] = [
    [
      'other sizes',
      random(1, 1),
      random(1, 2, { intermediate_size: 20 }),
      /intermediateSize is 12 in .*base and 20 in/,
    ],
    [
      'a smaller vocabulary',
      random(1, 1),
      random(1, 2, { vocab_size: 9 }),
      /vocabSize is 10 in .*base and 9 in .*delta/,
    ],
    [
      'a head that is tied on one side',
      random(1, 1),
      random(1, 2, tied, 'lm_head.weight'),
      /tiedHead is false in/,
    ],
    ['other heads', random(1, 1), random(1, 2, { num_attention_heads: 4 }), /heads is 2 in .* and 4 in/],
  ]
  for (const [what, base, delta, message] of refused)
    it(`are refused with ${what}`, () =>
      withBoth(base, delta, (base, delta) =>
        assert.rejects(openCheckpoint(base, { delta }), { code: 'CHECKPOINT_MISMATCH', message }),
      ))

  it('may have a vocabulary that has grown, whose new rows are theirs alone', () =>
    withBoth(random(1, 1), random(0.1, 2, { vocab_size: 13 }), async (base, delta) => {
      const { config, tensors } = await openCheckpoint(base, { delta })
      assert.equal(config.vocabSize, 13)
      const head = tensors.find(({ name }) => name === 'lm_head.weight')!
      const alone = { name: head.name, shape: head.shape, parts: head.parts }
      const read = (tensor: NativeTensor) => loadAddon().readRows(tensor, 4, 10, 3, 'F16', newControl())
      assert.deepEqual(await read(head), await read(alone))
    }))

  const sizes: [what: string, scale: number, seed: number, warned: boolean][] = [
    ['a small change', 0.05, 3, false],
    ['weights as large as the base, as a delta of another base has them', 1.4, 3, true],
    ['the base itself, which is no delta', 1, 1, true],
  ]
  for (const [what, scale, seed, warned] of sizes)
    it(`${warned ? 'are warned of for' : 'are taken without a warning for'} ${what}`, () =>
      withBoth(random(1, 1), random(scale, seed), async (base, delta) => {
        const { warnings } = await openCheckpoint(base, { delta })
        assert.equal(warnings.length, Number(warned))
        if (warned)
          assert.match(warnings[0]!, /changes the norm of the weights by a factor of \d\.\d\d; .* delta/)
      }))
})
