// mt-llama delta: applied to its base a delta gives the target, and a delta that was made gives it back.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { loadAddon } from '../src/native/addon.ts'
import { newControl } from '../src/native/job.ts'
import { withFolder } from './checkpoint-files.ts'
import { cli } from './cli-run.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

async function weights(path: string): Promise<Map<string, Float32Array>> {
  const { tensors, config } = await openCheckpoint(path)
  const values = new Map<string, Float32Array>()
  for (const tensor of tensors) {
    const bytes = await loadAddon().readRows(tensor, config.headDim, 0, tensor.shape[0]!, 'F32', newControl())
    values.set(tensor.name, new Float32Array(bytes.buffer))
  }
  return values
}

describe('mt-llama delta', () => {
  const golden = (name: string) => shared('golden', 'delta', name)

  // A GGUF file has the rows of q and k in another order, and vectors in float32.
  const outputs: [name: string, types: string][] = [
    ['out', 'F16'],
    ['out.gguf', 'F16 + F32'],
  ]
  for (const [name, types] of outputs) {
    it(`apply writes the target, bit for bit: ${name}`, async function () {
      if (sharedMissing) skip(this, sharedMissing)
      await withFolder(async dir => {
        const out = join(dir, name)
        const { code, stdout, stderr } = await cli(['delta', 'apply', golden('base'), golden('delta'), out])
        assert.equal(code, 0, stderr)
        assert.equal(stdout, `${out}\n`)
        assert.deepEqual(await weights(out), await weights(golden('target')))
        assert.equal((await openCheckpoint(out)).storedTypes, types)
      })
    })

    it(`make writes a delta that gives the target back, but for what float16 cannot hold: ${name}`, async function () {
      if (sharedMissing) skip(this, sharedMissing)
      await withFolder(async dir => {
        const [delta, sum] = [join(dir, name), join(dir, 'sum')]
        for (const args of [
          ['make', golden('base'), golden('target'), delta],
          ['apply', golden('base'), delta, sum, '--quiet'],
        ]) {
          const { code, stderr } = await cli(['delta', ...args])
          assert.equal(code, 0, stderr)
        }
        const [own, want] = [await weights(sum), await weights(golden('target'))]
        for (const [name, values] of want)
          for (const [i, value] of values.entries()) {
            const off = Math.abs(own.get(name)![i]! - value)
            assert.ok(off <= Math.max(Math.abs(value), 2 ** -14) * 2 ** -9, `${name}, ${i}: off by ${off}`)
          }
      })
    })
  }

  it('says which size differs where base and delta do not belong together', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const other = shared('golden', 'hf', 'mid-bf16')
    const { code, stderr } = await cli([
      'delta',
      'apply',
      other,
      golden('delta'),
      join(golden('delta'), 'out'),
    ])
    assert.equal(code, 1)
    assert.match(stderr, /error: \w+ is \d+ in .*mid-bf16 and \d+ in .*delta\. .*\[CHECKPOINT_MISMATCH\]\n$/)
  })

  it('refuses shards of a GGUF file', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    await withFolder(async dir => {
      const out = join(dir, 'out.gguf')
      for (const args of [
        ['apply', golden('base'), golden('delta'), out],
        ['make', golden('base'), golden('target'), out],
      ]) {
        const { code, stderr } = await cli(['delta', ...args, '--shard-size', '1MB'])
        assert.equal(code, 1)
        assert.equal(
          stderr,
          'error: a GGUF file has no shards; expected no size of them [INVALID_ARGUMENT]\n',
        )
      }
      assert.deepEqual(readdirSync(dir), [])
    })
  })
})
