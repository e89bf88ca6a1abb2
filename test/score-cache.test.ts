// Tests the score cache: the same bits without running the model, never those of another model, and no harm from files.
import assert from 'node:assert/strict'
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type Model, type ScoreOptions, type ScoreRequest } from '../src/index.ts'
import { cli, root } from './cli-run.ts'
import { onTmpfs } from './tmpfs.ts'

const embedded = join(root, 'default', 'model')
const requests: ScoreRequest[] = ['A kettle', 'It rained', ''].map(prompt => ({
  prompt,
  continuations: [' began to whistle.', ' stopped', ' and so did the wind, for a while.'],
}))

describe('the score cache', () => {
  let top: string
  let folder: string
  before(() => {
    top = mkdtempSync(join(tmpdir(), 'mt-llama-cache-'))
  })
  beforeEach(() => {
    folder = mkdtempSync(join(top, 'folder-'))
  })
  after(() => rmSync(top, { recursive: true, force: true }))

  const files = () =>
    readdirSync(folder, { recursive: true })
      .map(name => join(folder, String(name)))
      .filter(name => name.endsWith('.jsonl'))
  /** Scores the requests, and tells how many tokens the model has run for it. */
  const score = async (model: Model, options: ScoreOptions = {}) => {
    let tokens = 0
    const results = await model.score(requests, {
      ...options,
      onProgress: ({ tokensDone }) => (tokens = tokensDone),
    })
    return { results, tokens }
  }
  const cached = async (model: Model, options: ScoreOptions = {}) => {
    await using cache = await model.openScoreCache(folder)
    const { results, tokens } = await score(model, { ...options, cache })
    return { results, tokens, hits: cache.hits, misses: cache.misses }
  }

  it('gives the same bits in a second run, which runs no token', async () => {
    await using model = await loadModel(embedded)
    const plain = await score(model)
    assert.ok(plain.tokens > 0)
    assert.deepEqual(await cached(model), { ...plain, hits: 0, misses: 9 })
    assert.deepEqual(await cached(model), { results: plain.results, tokens: 0, hits: 9, misses: 0 })
  })

  it('runs what is missing, and leaves alternatives to the model', async () => {
    await using model = await loadModel(embedded)
    const plain = await score(model)
    await using cache = await model.openScoreCache(folder)
    await model.score(requests.slice(0, 2), { cache })
    const again = await score(model, { cache })
    assert.deepEqual(again.results, plain.results)
    assert.ok(again.tokens > 0 && again.tokens < plain.tokens)
    const top = await score(model, { cache, topK: 2 })
    assert.equal(top.tokens, plain.tokens)
    assert.equal(top.results[0]!.continuations[0]!.topAlternatives!.length, 18)
  })

  it('never gives scores of another dtype, or of weights that differ in one number between two probes', async () => {
    const copy = join(top, 'copy')
    cpSync(embedded, copy, { recursive: true })
    const other = async (path: string, dtype: 'float32' | 'bfloat16') => {
      await using model = await loadModel(path, { dtype })
      return { ...(await cached(model)), fingerprint: model.info.fingerprint }
    }
    const first = await other(copy, 'float32')
    assert.equal((await other(copy, 'bfloat16')).hits, 0)
    assert.equal((await other(copy, 'float32')).hits, 9)
    const file = join(copy, 'model.safetensors')
    const bytes = readFileSync(file)
    const start = 8 + Number(bytes.readBigUInt64LE(0))
    const header = JSON.parse(bytes.toString('utf8', 8, start))
    const [from, to] = header['model.layers.0.mlp.down_proj.weight'].data_offsets
    // The fingerprint reads 1,024 bytes at the start and from the middle of a tensor.
    const at = start + from + 1026
    assert.ok(1026 < (to - from) / 2)
    bytes.writeUInt16LE(bytes.readUInt16LE(at) ^ 0x4000, at)
    writeFileSync(file, bytes)
    const changed = await other(copy, 'float32')
    assert.equal(changed.fingerprint, first.fingerprint)
    assert.equal(changed.hits, 0)
    assert.notDeepEqual(changed.results, first.results)
  })

  it('leaves out lines that a kill has cut, or that are something else', async () => {
    await using model = await loadModel(embedded)
    const { results } = await cached(model)
    const [file] = files()
    const [line, ...rest] = readFileSync(file!, 'utf8').split('\n')
    const cut = line!.slice(0, -5)
    writeFileSync(file!, ['{"key":3}', '[]', 'null', ...rest.filter(Boolean), cut].join('\n'))
    const again = await cached(model)
    assert.deepEqual([again.results, again.hits, again.misses], [results, 8, 1])
    appendFileSync(join(folder, 'checkpoints.json'), 'no JSON')
    assert.equal((await cached(model)).hits, 9)
  })

  it('that was closed and is used again keeps what it had written', async () => {
    await using model = await loadModel(embedded)
    const cache = await model.openScoreCache(folder)
    for (const some of [requests.slice(0, 1), requests]) {
      await model.score(some, { cache })
      await cache.close()
    }
    assert.equal((await cached(model)).hits, 9)
  })

  it('of another model is refused, as is anything else', async () => {
    await using model = await loadModel(embedded)
    await using other = await loadModel(embedded)
    await using cache = await other.openScoreCache(folder)
    for (const wrong of [cache, {}, folder])
      await assert.rejects(model.score(requests, { cache: wrong as never }), {
        code: 'INVALID_ARGUMENT',
        message: /^cache is .*; expected one that openScoreCache\(\) of this model has given/,
      })
    await assert.rejects(model.openScoreCache('a\0b'), { code: 'INVALID_ARGUMENT' })
    await assert.rejects(model.openScoreCache('/proc/no/cache'), { code: 'OUTPUT' })
  })

  it('on a full disk keeps the scores of the call, and says so when it is closed', async function () {
    await onTmpfs(this, folder, 'size=16k', async () => {
      await using model = await loadModel(embedded)
      const cache = await model.openScoreCache(folder)
      writeFileSync(join(folder, 'ballast'), Buffer.alloc(12 << 10))
      const plain = await score(model)
      assert.deepEqual((await score(model, { cache })).results, plain.results)
      await assert.rejects(cache.close(), { code: 'OUTPUT', message: /the disk is full/ })
    })
  })

  it('mt-llama eval --score-cache gives the same files, and tells how many choices were known', async () => {
    const out = (name: string) => join(top, name)
    const args = ['eval', '--tasks', 'copa,wic', '--score-cache', folder]
    const first = await cli([...args, '--out', out('one')])
    const second = await cli([...args, '--out', out('two')])
    assert.deepEqual([first.code, second.code], [0, 0], first.stderr + second.stderr)
    assert.match(first.stderr, /score cache: 0 of 24 choices were known/)
    assert.match(second.stderr, /score cache: 24 of 24 choices were known/)
    for (const task of ['copa', 'wic'])
      assert.deepEqual(
        readFileSync(join(out('two'), 'samples', `${task}.jsonl`)),
        readFileSync(join(out('one'), 'samples', `${task}.jsonl`)),
      )
  })
})
