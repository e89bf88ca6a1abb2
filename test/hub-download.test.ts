// Downloads from a hub that breaks, refuses and lies: what has come is gone on with, and a file is whole or absent.
import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MtLlamaError } from '../src/errors.ts'
import type { PullOptions } from '../src/hub/pull.ts'
import { type ModelName, pullModel } from '../src/hub/pull-model.ts'
import { type Fault, HubServer, type ServedRepo, type ServedRequest } from './hub-server.ts'
import { carried } from './shared.ts'
import { onTmpfs } from './tmpfs.ts'

const golden = (name: string, files: readonly string[]) =>
  Object.fromEntries(files.map(file => [file, readFileSync(carried('hf', name, file))]))
const files: Record<string, string | Buffer> = {
  ...golden('llama-tokenizer-json', [
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]),
  'README.md': 'a card',
}
const weights = Buffer.from(files['model.safetensors']!)

describe('a download', () => {
  let server: HubServer
  let folder: string
  let repo: ServedRepo
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-hub-'))
    server = new HubServer()
    await server.start()
    repo = { type: 'model', id: 'org/tiny', files: { ...files } }
    server.repos.push(repo)
  })
  afterEach(async () => {
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  /** Far more than a busy machine lets an answer wait. */
  const patient = 60_000
  const pull = (
    options: PullOptions = {},
    name: Partial<ModelName['repo']> & { token?: string; stallMs?: number | undefined } = {},
  ) => {
    const { token, stallMs = patient, ...named } = name
    return pullModel(
      { repo: { type: 'model', id: 'org/tiny', revision: 'main', ...named } },
      { endpoint: server.endpoint, token, cacheDir: folder, offline: false, stallMs },
      { delayMs: 1, ...options },
    )
  }
  const refusal = async (options?: PullOptions, name?: Parameters<typeof pull>[1]) => {
    const error = await pull(options, name).then(
      () => assert.fail('it was downloaded'),
      error => error,
    )
    assert.ok(error instanceof MtLlamaError, error)
    return `${error.code} ${error.message}`
  }
  const blobs = join('models--org--tiny', 'blobs')
  const parts = () => readdirSync(join(folder, blobs)).filter(name => name.endsWith('.part'))
  const checkWhole = ({ path }: { path: string }) => {
    for (const name of readdirSync(path))
      assert.deepEqual(readFileSync(join(path, name)), repo.files[name], name)
    assert.deepEqual(parts(), [])
  }
  const onStore = (fault: (count: number, request: ServedRequest) => Fault | undefined) => {
    server.fault = (request, count) =>
      request.kind === 'store' && request.path.length > 0 && isWeights(request)
        ? fault(count, request)
        : undefined
  }
  /** Large files go by their checksum in the store. */
  const isWeights = ({ path }: ServedRequest) => path.endsWith(weightsSum())
  const weightsSum = () => server.objectName(weights)

  describe('goes on after a failure', () => {
    const rows: Record<
      string,
      { fault: (count: number) => Fault | undefined; ranges: (string | undefined)[]; stallMs?: number }
    > = {
      'a connection that breaks twice': {
        fault: count => (count <= 2 ? { cutAfter: 1000 } : undefined),
        ranges: [undefined, 'bytes=1000-', 'bytes=2000-'],
      },
      'a connection that stalls': {
        fault: count => (count === 1 ? { stallAfter: 5000 } : undefined),
        ranges: [undefined, 'bytes=5000-'],
        stallMs: 3000,
      },
      'an answer without a length that ends early': {
        fault: count => (count === 1 ? { noLength: true, content: weights.subarray(0, 3000) } : undefined),
        ranges: [undefined, 'bytes=3000-'],
      },
      'a server that knows no Range': {
        fault: count => (count === 1 ? { cutAfter: 1000 } : { ignoreRange: true }),
        ranges: [undefined, 'bytes=1000-'],
      },
      'bytes of another place than was asked for': {
        fault: count =>
          count === 1
            ? { cutAfter: 1000 }
            : count === 2
              ? { headers: { 'content-range': `bytes 500-${weights.length - 1}/${weights.length}` } }
              : undefined,
        ranges: [undefined, 'bytes=1000-', undefined],
      },
      'errors of a server that is overloaded': {
        fault: count => (count <= 3 ? { status: [500, 502, 503][count - 1]! } : undefined),
        ranges: [undefined, undefined, undefined, undefined],
      },
    }
    for (const [name, { fault, ranges, stallMs }] of Object.entries(rows)) {
      it(name, async () => {
        onStore(fault)
        checkWhole(await pull({}, { stallMs }))
        const asked = server.requests.filter(request => request.kind === 'store' && isWeights(request))
        assert.deepEqual(
          asked.map(({ range }) => range),
          ranges,
        )
      })
    }

    it('as often as something has come, however often that is', async () => {
      onStore(() => ({ cutAfter: 20_000 }))
      checkWhole(await pull())
      assert.equal(server.count('store', weightsSum()), Math.ceil(weights.length / 20_000))
    })

    it('of the API too', async () => {
      server.fault = (request, count) =>
        request.kind === 'revision' || request.kind === 'tree'
          ? count === 1
            ? { status: 503 }
            : undefined
          : undefined
      checkWhole(await pull())
    })

    it('after the wait that Retry-After, or the hub, asks for', async () => {
      const waits: number[] = []
      const rows: Record<string, string>[] = [
        { 'retry-after': '0' },
        { 'retry-after': new Date(Date.now() - 1000).toUTCString() },
        { ratelimit: '"api";r=0;t=0' },
      ]
      server.fault = ({ kind }, count) =>
        kind === 'revision' && count <= rows.length ? { status: 429, headers: rows[count - 1]! } : undefined
      await pull({ delayMs: 3_600_000, onRetry: (_, seconds) => waits.push(seconds) })
      assert.deepEqual(waits, [0, 0, 0])
    })
  })

  describe('takes up what an earlier one has left', () => {
    const begin = (content: Buffer) => {
      mkdirSync(join(folder, blobs), { recursive: true })
      writeFileSync(join(folder, blobs, `${weightsSum()}.part`), content)
    }
    const rows: Record<string, { left: Buffer; ranges: (string | undefined)[] }> = {
      'a beginning': { left: weights.subarray(0, 1234), ranges: ['bytes=1234-'] },
      'all of it': { left: weights, ranges: [] },
      'a spoilt beginning, once more from the start': {
        left: Buffer.alloc(1234),
        ranges: ['bytes=1234-', undefined],
      },
      'all of it, spoilt': { left: Buffer.alloc(weights.length), ranges: [undefined] },
      'more than there is': { left: Buffer.concat([weights, weights]), ranges: [undefined] },
    }
    for (const [name, { left, ranges }] of Object.entries(rows)) {
      it(name, async () => {
        begin(left)
        checkWhole(await pull())
        const asked = server.requests.filter(request => request.kind === 'store' && isWeights(request))
        assert.deepEqual(
          asked.map(({ range }) => range),
          ranges,
        )
      })
    }

    it('but writes through no link that lies there', async () => {
      mkdirSync(join(folder, blobs), { recursive: true })
      writeFileSync(join(folder, 'mine'), 'mine')
      symlinkSync(join(folder, 'mine'), join(folder, blobs, `${weightsSum()}.part`))
      assert.match(await refusal(), /^OUTPUT .*\.part: a link is in the way/)
      assert.equal(readFileSync(join(folder, 'mine'), 'utf8'), 'mine')
    })
  })

  describe('is refused', () => {
    const secret = 'hf_secretsecret'
    const rows: Record<
      string,
      {
        fault?: typeof server.fault
        repo?: Partial<ServedRepo>
        name?: Parameters<typeof pull>[1]
        error: RegExp
      }
    > = {
      'without a token, of a gated repository': {
        repo: { token: secret },
        error:
          /^HUB_ACCESS org\/tiny: the repository is gated \(401, .*\)\. Accept its terms at http.*org\/tiny, and set HF_TOKEN/,
      },
      'with a token of no access': {
        repo: { token: secret },
        name: { token: 'hf_other' },
        error: /^HUB_ACCESS org\/tiny: the repository is gated, and this token's account has no access \(403/,
      },
      'of a repository that is not there': {
        name: { id: 'org/other' },
        error:
          /^HUB_ACCESS org\/other: no such repository, or a private one \(401, .*for a private one, set HF_TOKEN$/,
      },
      'of a repository that is not there, with a token': {
        name: { id: 'org/other', token: secret },
        error: /^HUB_ACCESS org\/other: no such repository, or the token is not accepted \(401, /,
      },
      'of a revision that is not there': {
        name: { revision: 'v9' },
        error: /^HUB_NOT_FOUND org\/tiny at v9: org\/tiny has no revision "v9" \(404, /,
      },
      'of a file that is gone by now': {
        fault: ({ path }) =>
          path.endsWith('config.json')
            ? { status: 404, headers: { 'x-error-code': 'EntryNotFound' } }
            : undefined,
        error:
          /^HUB_NOT_FOUND org\/tiny, (tokenizer_)?config\.json: org\/tiny has no such file or folder \(404\)\. http/,
      },
      'where nothing can be loaded': {
        repo: { files: { 'README.md': 'a card', 'model.onnx': 'x' } },
        error: /^HUB_NOT_FOUND org\/tiny: it has none of model\.safetensors, .* and no \.gguf file$/,
      },
      'of one of several GGUF models': {
        repo: { files: { 'a-Q4_0.gguf': 'x', 'a-Q8_0.gguf': 'x' } },
        error: /^HUB_NOT_FOUND org\/tiny: it has several GGUF models; name one: a-Q4_0\.gguf, a-Q8_0\.gguf$/,
      },
      'of shards that are not there': {
        repo: {
          files: {
            'config.json': '{}',
            'model.safetensors.index.json': '{"weight_map":{"a":"model-00001-of-00001.safetensors"}}',
          },
        },
        error:
          /^HUB_NOT_FOUND org\/tiny: model\.safetensors\.index\.json names model-00001-of-00001\.safetensors, which/,
      },
      'of an index that leads out of the folder': {
        repo: {
          files: {
            'config.json': '{}',
            'model.safetensors.index.json': '{"weight_map":{"a":"../../x.safetensors"}}',
          },
        },
        error: /^CHECKPOINT_CORRUPT .*expected the name of a \.safetensors file in the same folder/,
      },
      'after five repetitions in vain': {
        fault: ({ kind }) => (kind === 'tree' ? { status: 503 } : undefined),
        error:
          /^HUB_FAILED org\/tiny: the hub answers 503, 6 times in a row\. What has come is kept: run the same command/,
      },
      'where the hub asks to wait for an hour': {
        fault: ({ kind }) =>
          kind === 'tree' ? { status: 429, headers: { 'retry-after': '3600' } } : undefined,
        error: /^HUB_FAILED org\/tiny: the hub answers 429\. It asks to wait 3600 s/,
      },
      'of bytes with another checksum': {
        fault: ({ kind }) => (kind === 'store' ? { content: Buffer.alloc(weights.length) } : undefined),
        repo: { files: { 'config.json': '{}', 'model.safetensors': weights } },
        error:
          /^HUB_FAILED org\/tiny, model\.safetensors: its 310304 bytes do not have the SHA-256 [0-9a-f]{64} that/,
      },
      'of a small file with another checksum': {
        fault: ({ path }) => (path.endsWith('/config.json') ? { content: Buffer.alloc(715) } : undefined),
        error:
          /^HUB_FAILED org\/tiny, config\.json: its 715 bytes do not have the git blob's SHA-1 [0-9a-f]{40} that/,
      },
      'of more bytes than are listed': {
        fault: ({ path }) =>
          path.endsWith('/config.json') ? { noLength: true, content: weights } : undefined,
        error: /^HUB_FAILED org\/tiny, config\.json: the hub sends more than the 715 bytes that it lists$/,
      },
      'of another length than is listed': {
        fault: ({ path }) => (path.endsWith('/config.json') ? { content: Buffer.alloc(100) } : undefined),
        error: /^HUB_FAILED org\/tiny, config\.json: the hub sends 100 bytes, where its listing has 715$/,
      },
      'of a file that always ends too early, though each answer begins anew': {
        fault: ({ path }) =>
          path.endsWith('/config.json')
            ? { noLength: true, ignoreRange: true, content: Buffer.alloc(100) }
            : undefined,
        error:
          /^HUB_FAILED org\/tiny, config\.json: the connection ended after 100 of 715 bytes, \d times in a row/,
      },
      'by a server that is no hub': {
        fault: () => ({ status: 200, body: '<html>' }),
        error:
          /^HUB_FAILED org\/tiny: the hub answers with "<html>", which is no JSON\. Is HF_ENDPOINT \(http/,
      },
      'by a hub that names no commit': {
        fault: ({ kind }) => (kind === 'revision' ? { status: 200, body: '{"sha":"../../x"}' } : undefined),
        error:
          /^HUB_FAILED org\/tiny: the hub names "\.\.\/\.\.\/x" as its commit; expected 40 hexadecimal digits$/,
      },
      'by words of the hub that would change a terminal': {
        fault: ({ kind }) =>
          kind === 'tree' ? { status: 400, body: '{"error":"\\u001b[2Jgone"}' } : undefined,
        error: /^HUB_FAILED org\/tiny: the hub answers 400, "\\u001b\[2Jgone"$/,
      },
      'of a name with ..': {
        name: { id: 'org/..' },
        error: /^INVALID_ARGUMENT "org\/\.\." is no name of a repository/,
      },
      'of a revision with ..': {
        name: { revision: '../../x' },
        error: /^INVALID_ARGUMENT "\.\.\/\.\.\/x" is no revision; expected a branch/,
      },
    }
    for (const [name, row] of Object.entries(rows)) {
      it(name, async () => {
        Object.assign(repo, row.repo)
        if (row.fault) server.fault = row.fault
        const text = await refusal({}, row.name)
        assert.match(text, row.error)
        assert.doesNotMatch(text, /secret/)
        const snapshots = join(folder, 'models--org--tiny', 'snapshots')
        for (const commit of existsSync(snapshots) ? readdirSync(snapshots) : [])
          for (const file of readdirSync(join(snapshots, commit)))
            assert.deepEqual(
              readFileSync(join(snapshots, commit, file), 'utf8'),
              repo.files[file]!.toString(),
              `${file} is there, and not whole`,
            )
      })
    }

    const listings: Record<string, { change: Record<string, unknown>; error: RegExp }> = {
      'that leads out of the repository': {
        change: { path: '../../x' },
        error: /names "\.\.\/\.\.\/x", which leads out/,
      },
      'of an absolute path': { change: { path: '/etc/x' }, error: /names "\/etc\/x", which leads out/ },
      "of Windows' path": { change: { path: '..\\x' }, error: /names "\.\.\\\\x", which leads out/ },
      'of a path with NUL': { change: { path: 'a\0b' }, error: /which leads out/ },
      'of a negative size': {
        change: { size: -1 },
        error: /gives "README\.md" a size of -1; expected bytes/,
      },
      'of no size': { change: { size: 'x' }, error: /gives "README\.md" a size of "x"; expected bytes/ },
      'of a checksum that is a path': {
        change: { oid: '../../x' },
        error: /the checksum "\.\.\/\.\.\/x"; expected 40/,
      },
      'of a short checksum': {
        change: { lfs: { oid: 'ab', size: 6 } },
        error: /the checksum "ab"; expected 64/,
      },
    }
    for (const [name, { change, error }] of Object.entries(listings)) {
      it(`by a listing ${name}`, async () => {
        server.list = entries =>
          entries.map(entry => (entry.path === 'README.md' ? { ...entry, ...change } : entry))
        assert.match(await refusal(), new RegExp(`^HUB_FAILED org/tiny: the listing.*${error.source}`))
        assert.deepEqual(readdirSync(folder), [])
      })
    }

    it('by a listing that does not end', async () => {
      server.fault = ({ kind, path }) =>
        kind === 'tree' ? { status: 200, body: '[]', headers: { link: `<${path}>; rel="next"` } } : undefined
      assert.match(await refusal(), /^HUB_FAILED org\/tiny: the listing does not end: 0 files so far$/)
    })

    it('by a listing whose sizes no disk has', async () => {
      server.list = entries =>
        entries.map(entry =>
          entry.path === 'model.safetensors' ? { ...entry, lfs: undefined, size: 2 ** 52 } : entry,
        )
      assert.match(
        await refusal(),
        /^OUTPUT .*blobs: \d+ bytes are to be downloaded, and the disk has \d+ left/,
      )
    })

    it('where nobody answers', async () => {
      const { endpoint } = server
      await server.stop()
      const error = await pullModel(
        { repo: { type: 'model', id: 'org/tiny', revision: 'main' } },
        {
          endpoint,
          token: undefined,
          cacheDir: folder,
          offline: false,
          stallMs: patient,
        },
        { delayMs: 1 },
      ).catch(error => `${error.code} ${error.message}`)
      assert.match(
        String(error),
        /^HUB_FAILED org\/tiny: the connection failed \(\w+\), 3 times in a row\. Is http:.*\(HF_ENDPOINT\) reachable/,
      )
    })
  })

  it('reads listings of many pages', async () => {
    server.pageSize = 2
    checkWhole(await pull())
    assert.equal(server.count('tree'), 3)
  })

  it('asks its own endpoint for further pages, whatever host a listing names', async () => {
    server.fault = ({ kind, path }, count) =>
      kind === 'tree' && count === 1
        ? {
            status: 200,
            body: '[]',
            headers: { link: `<https://elsewhere.test${path}?recursive=true&cursor=0>; rel="next"` },
          }
        : undefined
    checkWhole(await pull())
    assert.equal(server.count('tree'), 2)
  })

  it('shows its token to the hub, and to no other host', async () => {
    repo.token = 'hf_secretsecret'
    checkWhole(await pull({}, { token: 'hf_secretsecret' }))
    const shown = (kind: ServedRequest['kind']) =>
      new Set(server.requests.filter(each => each.kind === kind).map(each => each.authorization))
    assert.deepEqual(shown('store'), new Set([undefined]))
    for (const kind of ['revision', 'tree', 'resolve'] as const)
      assert.deepEqual(shown(kind), new Set(['Bearer hf_secretsecret']), kind)
  })

  it('ends when it is aborted, and is gone on with', async () => {
    const controller = new AbortController()
    onStore(() => ({ stallAfter: 7000 }))
    const progress: number[] = []
    const aborted = refusal({
      signal: controller.signal,
      onProgress: done => {
        progress.push(done)
        const begun = statSync(join(folder, blobs, `${weightsSum()}.part`), { throwIfNoEntry: false })
        if (begun?.size === 7000) controller.abort()
      },
    })
    assert.match(await aborted, /^ABORTED the download was stopped; what has come is kept$/)
    server.fault = () => undefined
    server.requests.length = 0
    checkWhole(await pull())
    assert.deepEqual(
      server.requests
        .filter(request => request.kind === 'store' && isWeights(request))
        .map(({ range }) => range),
      ['bytes=7000-'],
    )
    assert.ok(progress.every((done, i) => i === 0 || done >= progress[i - 1]!))
  })

  it('ends at a full disk, and is gone on with once there is room', async function () {
    await onTmpfs(this, folder, 'size=1m', async remount => {
      repo.files['model.safetensors'] = Buffer.concat([weights, weights]).subarray(0, 500_000)
      const big = server.objectName(repo.files['model.safetensors'])
      // The room that there was as the download began is taken by somebody else.
      server.fault = ({ path }) => {
        if (path.endsWith(big) && !existsSync(join(folder, 'other')))
          writeFileSync(join(folder, 'other'), Buffer.alloc(700_000))
        return undefined
      }
      assert.match(
        await refusal(),
        /^OUTPUT .*\.part: the disk is full\. What was downloaded is kept; make room, or name/,
      )
      // A file that came beside it may be there in part too.
      assert.ok(parts().includes(`${big}.part`), `${parts()}`)
      remount('size=4m')
      server.requests.length = 0
      checkWhole(await pull())
      assert.match(server.requests.find(request => request.path.endsWith(big))!.range!, /^bytes=\d{5,}-$/)
    })
  })
})
