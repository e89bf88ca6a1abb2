// A process whose memory runs out, and a GPU: calls end with OUT_OF_MEMORY or go on in smaller packs, scores keep their
// bits, and the model goes on. The GPU is the simulator's (npm run build:host-device), whose memory a variable limits;
// without it there is none to run on.
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { loadModel, type Model } from '../../src/index.ts'
import { loadAddon } from '../../src/native/addon.ts'
import type { ScoreQueue } from '../../src/scoring/queue.ts'
import { childLimit } from '../child-limit.ts'
import { skip } from '../skip.ts'
import { largeVocabulary, newControl, writeRandomModel } from './random-model.ts'

const limitName = 'MT_LLAMA_HOST_DEVICE_BYTES'

describe('a process without memory', () => {
  it('refuses results that it cannot hold, and goes on', async function () {
    if (spawnSync('prlimit', ['--version'], childLimit).status !== 0)
      skip(this, 'there is no prlimit to limit a process')
    const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-memory-'))
    writeRandomModel(folder, largeVocabulary)
    const child = fileURLToPath(new URL('little-memory.ts', import.meta.url))
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', child, folder], childLimit)
    const { stdout } = await run.finally(() => rmSync(folder, { recursive: true }))
    assert.deepEqual(stdout.split('\n'), [
      'OUT_OF_MEMORY no memory for a result of 200000000 numbers',
      'OUT_OF_MEMORY no memory for a result of 119600000 numbers',
      'same bits',
      '',
    ])
  })
})

describe('a GPU without memory', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-memory-'))
  const { config } = writeRandomModel(folder, { layers: 1 })
  const addon = loadAddon()
  const requests = Array.from({ length: 12 }, (_, i) => ({
    prompt: Array.from({ length: 60 }, (_, j) => (i * 31 + j * 7) % config.vocabSize),
    continuations: [
      [1, 2, i],
      [3, i],
    ],
  }))
  const scores = async (model: Model) =>
    (await model.score(requests)).flatMap(({ continuations }) =>
      continuations.map(({ tokenLogProbs }) => [...tokenLogProbs]),
    )

  const gpu = async () => (await addon.gpus(newControl())).gpus[0]

  before(async function () {
    if ((await gpu())?.name !== 'host') skip(this, 'the addon is not that of npm run build:host-device')
  })
  afterEach(() => delete process.env[limitName])
  after(() => rmSync(folder, { recursive: true }))

  /** Limits the memory so that so many bytes of what is free now are left. */
  const leave = async (bytes: number) => {
    delete process.env[limitName]
    const { totalBytes } = (await gpu())!
    process.env[limitName] = String(totalBytes - (await addon.gpuFreeBytes(0, newControl())) + bytes)
  }

  it('gives the same bits in smaller packs, or says that it has none and goes on when it has', async () => {
    await using calm = await loadModel(folder, { device: 'cuda' })
    const expected = await scores(calm)
    const packTokens = (model: Model) =>
      (model as unknown as { scoring: { queue: ScoreQueue } }).scoring.queue.packTokens
    let smaller = 0
    let refused = 0
    for (const bytes of [2_000, 16_000, 24_000, 32_000]) {
      delete process.env[limitName]
      await using model = await loadModel(folder, { device: 'cuda' })
      await leave(bytes)
      try {
        assert.deepEqual(await scores(model), expected)
        if (packTokens(model) < packTokens(calm)) smaller++
      } catch (error) {
        const { code, message } = error as Error & { code: string }
        assert.equal(code, 'OUT_OF_MEMORY')
        assert.match(message, /^a sequence of \d+ tokens, by itself, finds no memory .* \d+ are free/)
        refused++
        delete process.env[limitName]
        assert.deepEqual(await scores(model), expected)
      }
    }
    assert.ok(smaller > 0 && refused > 0, `${smaller} in smaller packs, ${refused} refused`)
  })

  it('loads where there is room for the model, if not for the rows on their way, which the machine holds', async () => {
    await leave(32 * 2 ** 20)
    await using model = await loadModel(folder, { device: 'cuda' })
    assert.equal(model.info.device, 'cuda:0')
  })

  it('refuses a load that cannot fit, before it starts', async () => {
    await leave(1000)
    await assert.rejects(loadModel(folder, { device: 'cuda' }), {
      code: 'OUT_OF_MEMORY',
      message: /: loading as float32 takes .* are available/,
    })
  })
})
