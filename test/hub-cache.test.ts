// The cache of checkpoints: laid out as @huggingface/hub and huggingface_hub lay it out, and used without a network.
import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scanCacheDir, snapshotDownload } from '@huggingface/hub'
import { MtLlamaError } from '../src/errors.ts'
import { findModel, type ModelName, pullModel } from '../src/hub/pull-model.ts'
import { type HubSettings, hubSettings } from '../src/hub/settings.ts'
import { commitOf, HubServer, type ServedRepo } from './hub-server.ts'
import { carried } from './shared.ts'

const golden = (name: string, wanted: RegExp) =>
  Object.fromEntries(
    readdirSync(carried('hf', name))
      .filter(file => wanted.test(file))
      .map(file => [file, readFileSync(carried('hf', name, file))]),
  )
const shards = golden('llama3-tied-shards', /^(config|tokenizer|model)/)
const single = golden('llama-tokenizer-json', /^(config|tokenizer|model)/)
const gguf = readFileSync(carried('hf', 'gguf-q8_0-q4_1', 'model.gguf'))
const pickle = golden('torch-zip-tied-f16', /^(config|pytorch)/)

describe('the cache of checkpoints', () => {
  let server: HubServer
  let cacheDir: string
  beforeEach(async () => {
    cacheDir = mkdtempSync(join(tmpdir(), 'mt-llama-cache-'))
    server = new HubServer()
    await server.start()
  })
  afterEach(async () => {
    await server.stop()
    rmSync(cacheDir, { recursive: true })
  })

  const serve = (files: ServedRepo['files'], more: Partial<ServedRepo> = {}) => {
    const repo: ServedRepo = { type: 'model', id: 'org/tiny', files, ...more }
    server.repos.push(repo)
    return repo
  }
  const settings = (more: Partial<HubSettings> = {}): HubSettings => ({
    ...{ endpoint: server.endpoint, token: undefined, cacheDir, offline: false, stallMs: 5000 },
    ...more,
  })
  const name = (revision = 'main', file?: string): ModelName => ({
    repo: { type: 'model', id: 'org/tiny', revision },
    gguf: file,
  })
  /** Every file of a cache: its content, or where the link leads. */
  const layout = (folder: string) =>
    Object.fromEntries(
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter(entry => !entry.isDirectory())
        .map(entry => {
          const file = join(entry.parentPath, entry.name)
          const content = entry.isSymbolicLink() ? `-> ${readlinkSync(file)}` : readFileSync(file, 'base64')
          return [file.slice(folder.length + 1), content] as const
        })
        .filter(([file]) => !/\.no_exist/.test(file))
        .sort(),
    )

  for (const [kind, files] of Object.entries({ 'one file': single, shards, 'PyTorch files': pickle })) {
    it(`is that of @huggingface/hub: ${kind}, of a branch and of a tag`, async () => {
      serve(files, { revisions: { v1: { commit: commitOf(files), files } } })
      const other = mkdtempSync(join(tmpdir(), 'mt-llama-cache-'))
      const { debug } = console
      console.debug = () => {}
      try {
        for (const revision of ['main', 'v1']) {
          await snapshotDownload({ repo: 'org/tiny', revision, hubUrl: server.endpoint, cacheDir: other })
          await pullModel(name(revision), settings())
        }
        assert.deepEqual(layout(cacheDir), layout(other))
        assert.ok(Object.keys(layout(cacheDir)).length > 4)
        const { repos, warnings } = await scanCacheDir(cacheDir)
        assert.deepEqual(warnings, [])
        assert.deepEqual(repos[0]!.revisions[0]!.refs.sort(), ['main', 'v1'])
      } finally {
        console.debug = debug
        rmSync(other, { recursive: true })
      }
    })
  }

  const snapshot = (path: string) => readdirSync(path, { recursive: true }).map(String).sort()

  describe('gets what a load needs', () => {
    const rows: Record<string, { files: ServedRepo['files']; gguf?: string; wanted: string[] }> = {
      'safetensors, and no pickle': {
        files: {
          ...single,
          'pytorch_model.bin': 'x',
          'model.onnx': 'x',
          'README.md': 'x',
          'model.gguf': gguf,
        },
        wanted: ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'],
      },
      'shards of safetensors, and no other file of weights': {
        files: {
          ...shards,
          'pytorch_model-00001-of-00002.bin': 'x',
          'pytorch_model.bin.index.json': '{}',
          'model-old.safetensors': 'x',
        },
        wanted: Object.keys(shards),
      },
      'settings and templates': {
        files: {
          ...single,
          'generation_config.json': '{}',
          'chat_template.jinja': 'x',
          'additional_chat_templates/tool_use.jinja': 'x',
          'additional_chat_templates/readme.md': 'x',
          'onnx/model.onnx': 'x',
        },
        wanted: [
          'additional_chat_templates',
          'additional_chat_templates/tool_use.jinja',
          'chat_template.jinja',
          'config.json',
          'generation_config.json',
          'model.safetensors',
          'tokenizer.json',
          'tokenizer_config.json',
        ],
      },
      'the only GGUF model': { files: { 'a.gguf': gguf, 'README.md': 'x' }, wanted: ['a.gguf'] },
      'a GGUF model that is named': {
        files: { 'q4/a.gguf': gguf, 'q8/a.gguf': 'x', 'config.json': '{}' },
        gguf: 'q4/a.gguf',
        wanted: ['q4', 'q4/a.gguf'],
      },
      'all parts of a GGUF model': {
        files: { 'a-00001-of-00002.gguf': 'x', 'a-00002-of-00002.gguf': 'y', 'b.gguf': 'z' },
        gguf: 'a-00002-of-00002.gguf',
        wanted: ['a-00001-of-00002.gguf', 'a-00002-of-00002.gguf'],
      },
      'the files of an adapter': {
        files: { 'adapter_config.json': '{}', 'adapter_model.safetensors': 'x', 'adapter_model.bin': 'y' },
        wanted: ['adapter_config.json', 'adapter_model.safetensors'],
      },
      "Meta's files": {
        files: {
          'params.json': '{}',
          'consolidated.00.pth': 'x',
          'tokenizer.model': 'y',
          'checklist.chk': 'z',
        },
        wanted: ['consolidated.00.pth', 'params.json', 'tokenizer.model'],
      },
    }
    for (const [kind, row] of Object.entries(rows)) {
      it(kind, async () => {
        serve(row.files)
        const { path, commit } = await pullModel(name('main', row.gguf), settings())
        const folder = join(cacheDir, 'models--org--tiny', 'snapshots', commit)
        assert.ok(path.startsWith(folder))
        assert.ok(existsSync(path))
        assert.deepEqual(snapshot(folder), row.wanted)
      })
    }
  })

  it('serves what was pulled without a request, and pull gets what is new', async () => {
    const repo = serve({ ...single })
    const first = await pullModel(name(), settings())
    server.requests.length = 0
    assert.deepEqual(await findModel(name(), settings()), first)
    repo.files['config.json'] = `${single['config.json']} `
    assert.deepEqual(await findModel(name(), settings()), first)
    assert.deepEqual(server.requests, [])
    const second = await pullModel(name(), settings())
    assert.notEqual(second.commit, first.commit)
    assert.deepEqual(await findModel(name(), settings()), second)
    assert.deepEqual(await findModel(name(first.commit), settings()), first)
    // The large file is the same in both.
    assert.equal(server.count('store', server.objectName(single['model.safetensors']!)), 0)
  })

  describe('of another program', () => {
    const rest = { 'generation_config.json': '{}', 'chat_template.jinja': 'x' }

    it('is completed at its own commit, where the hub has more of it', async () => {
      const repo = serve({ ...single, ...rest })
      const { path } = await pullModel(name(), settings())
      for (const file of Object.keys(rest)) rmSync(join(path, file))
      rmSync(join(cacheDir, 'models--org--tiny', '.no_exist'), { recursive: true })
      repo.revisions = { old: { commit: commitOf(repo.files), files: repo.files } }
      repo.files = { ...single, 'README.md': 'newer' }
      assert.equal((await findModel(name(), settings())).path, path)
      for (const file of Object.keys(rest)) assert.ok(existsSync(join(path, file)), file)
    })

    it('is used as it is where the hub does not answer, with a note, and offline without', async () => {
      serve(single)
      const found = await pullModel(name(), settings())
      rmSync(join(cacheDir, 'models--org--tiny', '.no_exist'), { recursive: true })
      server.requests.length = 0
      assert.deepEqual(await findModel(name(), settings({ offline: true })), found)
      assert.deepEqual(server.requests, [])
      const notes: string[] = []
      server.fault = () => ({ status: 503 })
      const options = { delayMs: 1, onNote: (text: string) => void notes.push(text) }
      assert.deepEqual(await findModel(name(), settings(), options), found)
      assert.match(
        notes.join(),
        /answers 503.*What the cache has is used: .*may have generation_config\.json, .* too\)/,
      )
    })

    // Written by huggingface_hub 2.4 beside what snapshot_download() has downloaded.
    for (const [listed, requests] of [
      [Object.keys(single), 0],
      [[...Object.keys(single), 'generation_config.json'], 2],
    ] as const) {
      it(`with a listing of ${listed.length} files costs ${requests} requests`, async () => {
        serve(single)
        const { commit } = await pullModel(name(), settings())
        const folder = join(cacheDir, 'models--org--tiny')
        rmSync(join(folder, '.no_exist'), { recursive: true })
        mkdirSync(join(folder, 'trees'))
        const files = Object.fromEntries(listed.map(file => [file, { size: 1, blob_id: 'a'.repeat(40) }]))
        writeFileSync(join(folder, 'trees', `${commit}.json`), JSON.stringify({ format_version: 1, files }))
        server.requests.length = 0
        await findModel(name(), settings())
        assert.equal(server.requests.length, requests)
      })
    }

    const lacking: Record<string, (path: string) => void> = {
      'a shard': path => rmSync(join(path, 'model-00002-of-00003.safetensors')),
      "a shard's content": path => {
        const link = readlinkSync(join(path, 'model-00002-of-00003.safetensors'))
        rmSync(join(path, link))
      },
      'the index': path => rmSync(join(path, 'model.safetensors.index.json')),
      'config.json': path => rmSync(join(path, 'config.json')),
    }
    for (const [what, remove] of Object.entries(lacking)) {
      it(`is no checkpoint offline without ${what}, which is downloaded online`, async () => {
        serve(shards)
        const { path } = await pullModel(name(), settings())
        remove(path)
        await assert.rejects(
          findModel(name(), settings({ offline: true })),
          error =>
            error instanceof MtLlamaError &&
            /^HUB_NOT_FOUND org\/tiny: HF_HUB_OFFLINE is set, and .* does not hold all/.test(
              `${error.code} ${error.message}`,
            ),
        )
        await findModel(name(), settings())
        assert.deepEqual(snapshot(path), Object.keys(shards))
        for (const [file, content] of Object.entries(shards))
          assert.deepEqual(readFileSync(join(path, file)), content)
      })
    }

    it('with a pickle is asked about: the hub has safetensors by now', async () => {
      const repo = serve({ 'config.json': 'x', 'pytorch_model.bin': 'y' })
      await pullModel(name(), settings())
      server.requests.length = 0
      await findModel(name(), settings())
      assert.equal(server.count('tree'), 1)
      assert.equal(repo.files['model.safetensors'], undefined)
    })
  })

  it('may be moved as a whole', async () => {
    serve(shards)
    const { path } = await pullModel(name(), settings())
    const moved = join(cacheDir, 'moved')
    cpSync(join(cacheDir, 'models--org--tiny'), join(moved, 'models--org--tiny'), {
      recursive: true,
      verbatimSymlinks: true,
    })
    rmSync(join(cacheDir, 'models--org--tiny'), { recursive: true })
    const found = await findModel(name(), settings({ cacheDir: moved, offline: true }))
    assert.equal(found.path, path.replace(cacheDir, moved))
    assert.deepEqual(readFileSync(join(found.path, 'config.json')), shards['config.json'])
  })
})

describe('hubSettings', () => {
  const home = join(tmpdir(), 'mt-llama-no-home')
  const rows: Record<string, { env: Record<string, string>; wanted: Partial<HubSettings> }> = {
    'of nothing': {
      env: { HF_HOME: home },
      wanted: { endpoint: 'https://huggingface.co', offline: false, stallMs: 30_000 },
    },
    HF_HOME: { env: { HF_HOME: home }, wanted: { cacheDir: join(home, 'hub'), token: undefined } },
    XDG_CACHE_HOME: { env: { XDG_CACHE_HOME: '/x' }, wanted: { cacheDir: '/x/huggingface/hub' } },
    'HF_HUB_CACHE over HF_HOME': { env: { HF_HOME: home, HF_HUB_CACHE: '/c' }, wanted: { cacheDir: '/c' } },
    HUGGINGFACE_HUB_CACHE: {
      env: { HF_HOME: home, HUGGINGFACE_HUB_CACHE: '/c' },
      wanted: { cacheDir: '/c' },
    },
    'a variable in a path': {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell's syntax
      env: { HF_HOME: home, A: 'b', HF_HUB_CACHE: '/$A/${A}/$C' },
      wanted: { cacheDir: '/b/b/$C' },
    },
    'HF_TOKEN with a line end': { env: { HF_HOME: home, HF_TOKEN: 'hf_x\n' }, wanted: { token: 'hf_x' } },
    'an older name of it': {
      env: { HF_HOME: home, HUGGING_FACE_HUB_TOKEN: 'hf_x' },
      wanted: { token: 'hf_x' },
    },
    'no token where none is wanted': {
      env: { HF_HOME: home, HF_TOKEN: 'hf_x', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' },
      wanted: { token: undefined },
    },
    'an endpoint with a path': {
      env: { HF_HOME: home, HF_ENDPOINT: 'http://a/b//' },
      wanted: { endpoint: 'http://a/b' },
    },
    HF_HUB_OFFLINE: { env: { HF_HOME: home, HF_HUB_OFFLINE: 'yes' }, wanted: { offline: true } },
    TRANSFORMERS_OFFLINE: { env: { HF_HOME: home, TRANSFORMERS_OFFLINE: '1' }, wanted: { offline: true } },
    'HF_HUB_OFFLINE=0': { env: { HF_HOME: home, HF_HUB_OFFLINE: '0' }, wanted: { offline: false } },
    HF_HUB_DOWNLOAD_TIMEOUT: {
      env: { HF_HOME: home, HF_HUB_DOWNLOAD_TIMEOUT: '2.5' },
      wanted: { stallMs: 2500 },
    },
  }
  for (const [name, { env, wanted }] of Object.entries(rows)) {
    it(`reads ${name}`, async () => {
      const found = await hubSettings(env)
      for (const key of Object.keys(wanted) as (keyof HubSettings)[])
        assert.equal(found[key], wanted[key], key)
    })
  }

  const refused: Record<string, Record<string, string>> = {
    'HF_ENDPOINT is "ftp://x"; expected an address': { HF_ENDPOINT: 'ftp://x' },
    'HF_ENDPOINT is "huggingface.co"; expected an address': { HF_ENDPOINT: 'huggingface.co' },
    'HF_TOKEN holds blanks or characters outside ASCII; expected': { HF_TOKEN: 'hf secret' },
    'HF_HUB_DOWNLOAD_TIMEOUT is "-1"; expected a number of seconds': { HF_HUB_DOWNLOAD_TIMEOUT: '-1' },
  }
  for (const [message, env] of Object.entries(refused)) {
    it(`refuses: ${message}`, async () => {
      const error = await hubSettings({ HF_HOME: home, ...env }).catch(error => error)
      assert.ok(
        error instanceof MtLlamaError &&
          error.code === 'INVALID_ARGUMENT' &&
          error.message.startsWith(message),
        error,
      )
      assert.doesNotMatch(error.message, /secret/)
    })
  }
})
