// pullModel() of the API: a name of the hub in, a path that loadModel() takes out; the cache first, the hub where it is asked.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type PullModelOptions, pullModel } from '../src/index.ts'
import { commitOf, HubServer, type ServedRepo } from './hub-server.ts'
import { carried } from './shared.ts'

const read = (file: string) => readFileSync(carried('hf', 'llama-tokenizer-json', file))
const names = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']
const variables = ['HF_ENDPOINT', 'HF_HOME', 'HF_TOKEN', 'HF_HUB_CACHE', 'HF_HUB_OFFLINE']

describe('pullModel() of the API', () => {
  let server: HubServer
  let repo: ServedRepo
  let folder: string
  let before: Record<string, string | undefined>
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-pull-api-'))
    server = new HubServer()
    await server.start()
    repo = { type: 'model', id: 'org/tiny', files: Object.fromEntries(names.map(name => [name, read(name)])) }
    server.repos.push(repo)
    before = Object.fromEntries(variables.map(name => [name, process.env[name]]))
    for (const name of variables) process.env[name] = ''
    process.env.HF_ENDPOINT = server.endpoint
    process.env.HF_HOME = folder
  })
  afterEach(async () => {
    for (const [name, value] of Object.entries(before))
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  it('downloads what a load needs, tells how far it is, and loads; then the cache is enough', async () => {
    const progress: [number, number][] = []
    const { path, commit } = await pullModel('org/tiny', {
      onProgress: ({ bytesDone, bytesTotal }) => progress.push([bytesDone, bytesTotal]),
    })
    assert.equal(commit, commitOf(repo.files))
    const bytes = Object.values(repo.files).reduce((sum, content) => sum + Buffer.from(content).length, 0)
    assert.deepEqual(progress.at(-1), [bytes, bytes])
    await using model = await loadModel(path)
    await using same = await loadModel(carried('hf', 'llama-tokenizer-json'))
    assert.equal(model.info.fingerprint, same.info.fingerprint)
    await server.stop()
    assert.deepEqual(await pullModel('org/tiny'), { path, commit })
  })

  it('asks for a newer commit where that is wanted, and gives an older one by its name', async () => {
    const first = await pullModel('org/tiny')
    repo.files['config.json'] = `${read('config.json')} `
    assert.deepEqual(await pullModel('org/tiny'), first)
    const newest = await pullModel('org/tiny', { newest: true })
    assert.equal(newest.commit, commitOf(repo.files))
    assert.notEqual(newest.commit, first.commit)
    assert.deepEqual(await pullModel('org/tiny', { revision: first.commit }), first)
  })

  it('ends when it is aborted', async () => {
    const controller = new AbortController()
    const pulled = pullModel('org/tiny', {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    })
    await assert.rejects(pulled, { code: 'ABORTED' })
  })

  const refused: [name: unknown, options: object, code: string, message: RegExp][] = [
    [
      'tiny',
      {},
      'INVALID_ARGUMENT',
      /^name is "tiny"; expected a repository of the hub as ORG\/NAME, or ORG\/NAME\/FILE\.gguf$/,
    ],
    ['../tiny', {}, 'INVALID_ARGUMENT', /^name is /],
    ['org/tiny/config.json', {}, 'INVALID_ARGUMENT', /^name is /],
    [7, {}, 'INVALID_ARGUMENT', /^name is 7; expected /],
    [
      'org/tiny',
      { revision: 3 },
      'INVALID_ARGUMENT',
      /^revision is 3; expected a branch, a tag or a commit$/,
    ],
    ['org/tiny', { revision: '../x' }, 'INVALID_ARGUMENT', /^"\.\.\/x" is no revision; /],
    ['org/tiny', { newest: 1 }, 'INVALID_ARGUMENT', /^newest is 1; expected true or false$/],
    ['org/tiny', { onNote: 'x' }, 'INVALID_ARGUMENT', /^onNote is "x"; expected a function$/],
    ['org/tiny/a.gguf', {}, 'HUB_NOT_FOUND', /^org\/tiny: .*a\.gguf/],
    ['org/none', {}, 'HUB_ACCESS', /^org\/none: /],
  ]
  for (const [name, options, code, message] of refused)
    it(`refuses ${JSON.stringify(name)}, ${JSON.stringify(options)}`, () =>
      assert.rejects(pullModel(name as string, options as PullModelOptions), { code, message }))

  it('is what loadModel() names, which downloads nothing by itself', () =>
    assert.rejects(loadModel('org/tiny'), { code: 'CHECKPOINT_NOT_FOUND', message: /pullModel\(\)/ }))
})
