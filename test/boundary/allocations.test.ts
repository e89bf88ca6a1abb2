// An allocation of the addon that fails, every one in its turn: a call ends with OUT_OF_MEMORY or gives its result, and
// the model gives the same bits afterwards. The allocator that fails is linked into npm run build:host-device only.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { loadAddon } from '../../src/native/addon.ts'
import { childLimit } from '../child-limit.ts'
import { skip } from '../skip.ts'
import { newControl, writeRandomModel } from './random-model.ts'

/** For each call, fewer allocations than it makes on any machine: a sweep of fewer has not reached what it should. */
const calls: Record<string, number> = {
  'score()': 10,
  'scoreStream()': 10,
  'score() after a prefix': 10,
  'embed()': 5,
  'generate()': 20,
  'generate(), sampled': 20,
  'generateStream()': 20,
  'logits()': 5,
  'dispose()': 0,
  'native score': 30,
  'native reserve': 3,
  'native embed': 10,
  'native logits': 15,
  'native session': 60,
  'native trainer': 60,
  'native jobs behind one another': 60,
  'native dispose during a job': 30,
  'loadModel()': 100,
  'native load': 300,
  'native weightBytes': 20,
  'native parameters': 20,
  'native readRows': 10,
  'native gpus': 5,
  'native gpuFreeBytes': 5,
  'native cpu': 3,
  'native timeOp': 50,
  'native cpu, with more arguments than it has': 4,
  'native wrong arguments': 5,
}

describe('an allocation that fails', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-allocations-'))
  after(() => rmSync(folder, { recursive: true }))

  it('is OUT_OF_MEMORY or no harm, in every call', async function () {
    const [gpu] = (await loadAddon().gpus(newControl())).gpus
    if (gpu?.name !== 'host') skip(this, 'the addon is not that of npm run build:host-device')
    if (process.platform !== 'linux') skip(this, 'that addon has its own allocator on Linux only')
    writeRandomModel(folder)
    const orders = path.join(folder, 'orders')
    writeFileSync(orders, Buffer.alloc(8))
    const child = fileURLToPath(new URL('failing-allocations.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', child, folder, orders, 'cpu'],
      { ...childLimit, env: { ...process.env, MT_LLAMA_FAILING_ALLOCATOR: orders } },
    )
    const swept = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    assert.deepEqual(
      swept.map(({ name }) => name),
      Object.keys(calls),
    )
    for (const { name, failed } of swept)
      assert.ok(failed >= calls[name]!, `${name}: only ${failed} allocations have failed`)
  })
})
