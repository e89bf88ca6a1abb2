// mt-llama delta: applied to its base a delta gives the target, and a delta that was made gives it back.
import assert from 'node:assert/strict'
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

  it('apply writes the target, bit for bit', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    await withFolder(async dir => {
      const out = join(dir, 'out')
      const { code, stdout, stderr } = await cli(['delta', 'apply', golden('base'), golden('delta'), out])
      assert.equal(code, 0, stderr)
      assert.equal(stdout, `${out}\n`)
      assert.deepEqual(await weights(out), await weights(golden('target')))
      assert.equal((await openCheckpoint(out)).storedTypes, 'F16')
    })
  })

  it('make writes a delta that gives the target back, but for what float16 cannot hold', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    await withFolder(async dir => {
      const [delta, sum] = [join(dir, 'delta'), join(dir, 'sum')]
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
})
