// Inputs and shards in storage by S3's interface: what comes out is what one process writes, whoever is killed meanwhile.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openS3 } from '../src/fleet/s3-storage.ts'
import { shardsPlace } from '../src/fleet/shard-files.ts'
import { readText, type Storage } from '../src/fleet/storage.ts'
import { childLimit } from './child-limit.ts'
import { cli, root } from './cli-run.ts'
import { RedisServer } from './redis-server.ts'
import { S3Server } from './s3-server.ts'
import { skip } from './skip.ts'

const MiB = 2 ** 20
const request = (i: number) =>
  JSON.stringify({
    prompt: `${i} ${'long '.repeat(40)}`,
    continuations: ['blue', 'green'].slice(0, 1 + (i % 2)),
  })

describe('S3 storage', () => {
  let s3: S3Server
  let folder: string
  let before: NodeJS.ProcessEnv
  beforeEach(async () => {
    s3 = new S3Server()
    await s3.start()
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-s3-'))
    before = { ...process.env }
    Object.assign(process.env, s3.env)
  })
  afterEach(async () => {
    for (const name of Object.keys(s3.env)) {
      delete process.env[name]
      if (before[name] !== undefined) process.env[name] = before[name]
    }
    await s3.stop()
    rmSync(folder, { recursive: true })
  })

  const object = (path: string) => s3.objects.get(`bucket/${path}`)
  const names = () => [...s3.objects.keys()].sort()
  const open = () => openS3({ bucket: 'bucket', prefix: 'scores', place: shardsPlace, partBytes: 5 * MiB })
  const bytesOf = async (storage: Storage, name: string, range?: { start: number; end: number }) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of storage.read(name, range)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  const run = async (args: string[]) => {
    const result = await cli(args)
    assert.equal(result.code, 0, result.stderr)
    return result
  }
  /** Answers by one process. */
  const oneProcess = async (lines: readonly string[]) => {
    const input = join(folder, 'in.jsonl')
    writeFileSync(input, lines.join('\n'))
    s3.objects.set('bucket/in.jsonl', readFileSync(input))
    await run(['score', input, '--device', 'reference', '--quiet', '--out', join(folder, 'one.jsonl')])
    return readFileSync(join(folder, 'one.jsonl'))
  }

  it('has what was written, whole or in parts', async () => {
    const storage = await open()
    const large = Buffer.alloc(12 * MiB, 'all sorts ')
    const sizes: [name: string, chunks: Buffer[]][] = [
      ['nothing', []],
      ['small', [Buffer.from('a'), Buffer.from('b')]],
      ['one part', [large.subarray(0, 5 * MiB)]],
      ['large', [large.subarray(0, 5), large.subarray(5, 7 * MiB), large.subarray(7 * MiB)]],
      ['huge', [large, large]],
    ]
    for (const [name, chunks] of sizes) {
      await storage.write(name, chunks)
      const whole = Buffer.concat(chunks)
      assert.ok(object(`scores/${name}`)!.equals(whole), name)
      assert.equal(await storage.size(name), whole.length)
      assert.ok((await bytesOf(storage, name)).equals(whole), name)
    }
    const [start, end] = [3, 2 * MiB + 7]
    assert.ok((await bytesOf(storage, 'large', { start, end })).equals(large.subarray(start, end)))
    assert.equal((await bytesOf(storage, 'large', { start, end: start })).length, 0)
    // More than a page of the listing; other folders are left out.
    s3.objects.set('bucket/scores/below/other', large)
    s3.objects.set('bucket/scores-2/other', large)
    assert.deepEqual(await storage.list(), ['huge', 'large', 'nothing', 'one part', 'small'])
    assert.deepEqual(
      [await storage.size('none'), await readText({ storage, name: 'none' })],
      [undefined, undefined],
    )
    assert.equal(s3.uploads.size, 0)
  })

  it('leaves nothing of what failed, and sweeps what a killed process has left', async () => {
    const storage = await open()
    const failing = function* () {
      yield Buffer.alloc(6 * MiB)
      throw new Error('the source has failed')
    }
    await assert.rejects(storage.write('large', failing()), /the source has failed/)
    assert.deepEqual([names(), s3.uploads.size], [[], 0])
    s3.uploads.set('1', { key: 'bucket/scores/large', parts: new Map() })
    s3.uploads.set('2', { key: 'bucket/scores/other', parts: new Map() })
    assert.deepEqual(await storage.begun(), ['large', 'other'])
    await storage.sweep(name => name === 'large')
    assert.deepEqual(await storage.begun(), ['other'])
    // Where they may not be listed they stay, and nothing fails by that.
    s3.refused = (_, query) => (query.has('uploads') ? 403 : undefined)
    await storage.sweep(() => true)
    assert.equal(s3.uploads.size, 1)
  })

  it('takes an upload that was swept for done where another process has written the object', async () => {
    const storage = await open()
    const swept = function* (isDone: boolean) {
      yield Buffer.alloc(6 * MiB)
      yield Buffer.alloc(5 * MiB)
      s3.uploads.clear()
      if (isDone) s3.objects.set('bucket/scores/large', Buffer.from('done'))
    }
    await assert.rejects(storage.write('large', swept(false)), { code: 'OUTPUT' })
    await storage.write('large', swept(true))
    assert.equal(object('scores/large')!.toString(), 'done')
  })

  it('reads on after a connection that breaks, and not after a change', async () => {
    const storage = await open()
    const large = Buffer.alloc(33 * MiB, 'all sorts ')
    s3.objects.set('bucket/scores/large', large)
    let broken = 0
    s3.isBroken = method => method === 'GET' && ++broken % 2 === 1
    assert.ok((await bytesOf(storage, 'large')).equals(large))
    assert.ok(broken >= 6)
    s3.isBroken = method => method === 'GET'
    await assert.rejects(bytesOf(storage, 'large'), { code: 'DATA_NOT_FOUND' })
    s3.isBroken = () => false
    const read = async () => {
      for await (const _ of storage.read('large'))
        s3.objects.set('bucket/scores/large', Buffer.alloc(33 * MiB))
    }
    await assert.rejects(read(), {
      code: 'DATA_INVALID',
      message: 's3://bucket/scores/large: has changed while it was read.',
    })
  })

  it('says what it is refused by', async () => {
    const storage = await open()
    s3.refused = () => 403
    await assert.rejects(storage.write('a', [Buffer.from('a')]), {
      code: 'OUTPUT',
      message:
        's3://bucket/scores/a: cannot be written (Refused: Refused here). Shards that are done are kept; mend that, or name another --out folder.',
    })
    await assert.rejects(storage.list(), {
      code: 'DATA_NOT_FOUND',
      message: 's3://bucket/scores/: cannot be read (Refused: Refused here).',
    })
  })

  it('has the shards of score, which merge joins there or into a file', async () => {
    const whole = await oneProcess(Array.from({ length: 12 }, (_, i) => request(i)))
    const out = ['--out', 's3://bucket/scores/']
    for (const part of ['2/2', '1/2'])
      await run(['score', 's3://bucket/in.jsonl', '--device', 'reference', '--shard', part, ...out])
    const again = await run([
      'score',
      's3://bucket/in.jsonl',
      '--device',
      'reference',
      '--shard',
      '1/2',
      ...out,
    ])
    // The package warns of versions of Node besides.
    assert.match(again.stderr, /^shard 1\/2: done already, in s3:\/\/bucket\/scores\/shard-1-of-2\.jsonl$/m)
    const { stderr } = await run(['merge', 's3://bucket/scores'])
    assert.match(stderr, /^2 shards: 12 lines in s3:\/\/bucket\/scores\/merged\.jsonl$/m)
    assert.deepEqual(object('scores/merged.jsonl'), whole)
    await run(['merge', 's3://bucket/scores', '--out', join(folder, 'merged.jsonl')])
    assert.deepEqual(readFileSync(join(folder, 'merged.jsonl')), whole)
  })

  it('has a fleet, of whose workers one is killed while it works', async function () {
    if (!RedisServer.isThere()) skip(this, 'no redis-server (Debian: apt-get install redis-server)')
    const whole = await oneProcess(Array.from({ length: 40 }, (_, i) => request(i)))
    const redis = new RedisServer(folder)
    await redis.start()
    const running = new Set<ChildProcess>()
    const worker = () => {
      const args = ['--import', 'tsx', 'test/fleet-worker.ts', 's3://bucket/scores', redis.socket, '1000']
      const child = spawn(process.execPath, args, {
        ...childLimit,
        cwd: root,
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      running.add(child)
      let stderr = ''
      child.stderr.setEncoding('utf8').on('data', text => {
        stderr += text
      })
      const ended = new Promise<{ code: number | null; stderr: string }>(resolve =>
        child.on('close', code => {
          running.delete(child)
          resolve({ code, stderr })
        }),
      )
      return { child, ended }
    }
    try {
      const submit = ['fleet', 'submit', 's3://bucket/in.jsonl', '--out', 's3://bucket/scores']
      const options = ['--requests-per-shard', '5', '--device', 'reference', '--redis', redis.socket]
      await run([...submit, ...options])
      const isDone = () => names().some(name => /shard-\d-of-8\.jsonl$/.test(name))
      const first = worker()
      while (!isDone()) {
        assert.equal(first.child.exitCode, null, 'the worker has ended')
        await delay(5)
      }
      first.child.kill('SIGKILL')
      await first.ended
      const { code, stderr } = await worker().ended
      assert.equal(code, 0, stderr)
      assert.match(stderr, /^run \w+: 40 lines in s3:\/\/bucket\/scores\/merged\.jsonl$/m)
      assert.deepEqual(object('scores/merged.jsonl'), whole)
      assert.equal(names().length, 1 + 2 * 8 + 2)
      const status = await run(['fleet', 'status', 's3://bucket/scores', '--redis', redis.socket])
      assert.match(status.stdout, /^run \w+: joined: 40 lines .*\ndone +8 of 8\n/)
    } finally {
      for (const child of running) child.kill('SIGKILL')
      await redis.kill()
    }
  })

  it('is refused without its package', async () => {
    const script = `import { register } from 'node:module'
      register('data:text/javascript,' + encodeURIComponent(
        'export async function resolve(name, context, next) {' +
        ' if (name === "@aws-sdk/client-s3") throw new Error("Cannot find package"); return next(name, context) }'))`
    const { code, stderr } = await cli(['merge', 's3://bucket/scores'], {
      env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` },
    })
    assert.match(
      stderr,
      /^error: paths that begin with s3:\/\/ need the package @aws-sdk\/client-s3, .* npm install @aws-sdk\/client-s3@3 .*\[STORAGE\]\n$/,
    )
    assert.equal(code, 1)
  })
})
