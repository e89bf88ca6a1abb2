// Tests models in several Workers of one process.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadAddon } from '../../src/native/addon.ts'
import type { NativeScores } from '../../src/native/types.ts'
import { newControl, randomPack, writeRandomModel } from './random-model.ts'
import { startWorker } from './start-worker.ts'

describe('workers', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-workers-'))
  after(() => rmSync(folder, { recursive: true }))

  it('two at once score as the main thread does, beside it', async () => {
    const { config, tensors } = writeRandomModel(folder)
    const pack = randomPack(config, 8, 64)
    const model = await loadAddon().load(
      config,
      tensors,
      { dtype: 'float32', device: 'cpu', threads: 0 },
      newControl(),
    )
    const [first, second, mine] = await Promise.all([
      scoreInWorker(folder),
      scoreInWorker(folder),
      model.score(pack, newControl()),
    ])
    assert.equal(mine.logProbs.length, 8 * 63)
    assert.deepEqual(first, mine)
    assert.deepEqual(second, mine)
    model.dispose()
  })
})

function scoreInWorker(folder: string): Promise<NativeScores> {
  const worker = startWorker(new URL('score-worker.ts', import.meta.url), folder)
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}
