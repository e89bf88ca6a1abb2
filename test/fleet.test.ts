// mt-llama fleet: workers that are killed, stand still, have a full disk or lose their queue, and shards that fail. What comes out
// is what one process writes.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Connection } from '../src/fleet/queue.ts'
import { planRanges } from '../src/fleet/ranges.ts'
import { shardsPlace } from '../src/fleet/shard-files.ts'
import { openStorage, storedFile } from '../src/fleet/storage.ts'
import { submit as submitRun } from '../src/fleet/submit.ts'
import { listDevices } from '../src/index.ts'
import { childLimit } from './child-limit.ts'
import { cli, root } from './cli-run.ts'
import { RedisServer } from './redis-server.ts'
import { skip } from './skip.ts'
import { onTmpfs } from './tmpfs.ts'

/** Short, so that a worker that stands still has lost its jobs soon. */
const lockMs = 1000
const perShard = 5
const shards = 10

interface Ended {
  code: number | null
  stderr: string
}

describe('mt-llama fleet', () => {
  let top: string
  let input: string
  let redis: RedisServer
  let whole: Buffer
  const running = new Set<{ child: ChildProcess; ended: Promise<Ended> }>()

  const request = (i: number) =>
    JSON.stringify({
      ...(i % 3 === 0 && { id: `own ${i}` }),
      prompt: `${i} ${'long '.repeat(40)}`,
      continuations: ['blue', 'green'].slice(0, 1 + (i % 2)),
    })
  const requests = () => Array.from({ length: perShard * shards }, (_, i) => request(i))

  before(async function () {
    if (!RedisServer.isThere()) skip(this, 'no redis-server (Debian: apt-get install redis-server)')
    top = mkdtempSync(join(tmpdir(), 'mt-llama-fleet-'))
    input = join(top, 'in.jsonl')
    writeFileSync(input, requests().join('\n'))
    redis = new RedisServer(top)
    await redis.start()
    const one = join(top, 'one.jsonl')
    await run(['score', input, '--device', 'reference', '--quiet', '--out', one])
    whole = readFileSync(one)
  })
  after(async () => {
    await redis?.kill()
    if (top) rmSync(top, { recursive: true })
  })
  afterEach(async () => {
    for (const { child, ended } of running) {
      child.kill('SIGKILL')
      await ended
    }
  })

  const run = async (args: string[], env: Record<string, string> = {}) => {
    const result = await cli(args, { env })
    assert.equal(result.code, 0, result.stderr)
    return result
  }
  const submit = async (out: string, ...more: string[]) => {
    const args = ['--requests-per-shard', `${perShard}`, '--redis', redis.socket, ...more]
    const device = more.includes('--device') ? [] : ['--device', 'reference']
    return run(['fleet', 'submit', input, '--out', out, ...args, ...device])
  }
  const status = async (out: string) =>
    JSON.parse((await run(['fleet', 'status', out, '--redis', redis.socket, '--json'])).stdout)

  /** Starts a worker. @param isShort whether its lock is short, so that others have its jobs soon */
  const worker = (out: string, { isShort = false, env = {} }: { isShort?: boolean; env?: object } = {}) => {
    const args = isShort
      ? ['--import', 'tsx', 'test/fleet-worker.ts', out, redis.socket, `${lockMs}`]
      : ['dist/cli/main.js', 'fleet', 'work', out, '--redis', redis.socket, '--threads', '1']
    const child = spawn(process.execPath, args, {
      ...childLimit,
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    const ended = new Promise<Ended>(resolve => {
      child.on('close', code => resolve({ code, stderr }))
    })
    const started = { child, ended }
    running.add(started)
    ended.then(() => running.delete(started))
    return started
  }
  /** Waits until a worker writes a shard; one that has ended never will. */
  const writing = async (out: string, child: ChildProcess) => {
    const part = new RegExp(`\\.jsonl\\.part-.*-${child.pid}-`)
    while (!readdirSync(out).some(name => part.test(name))) {
      assert.deepEqual([child.exitCode, child.signalCode], [null, null], 'the worker has ended')
      await delay(5)
    }
  }
  /** Stops a worker while it writes a shard, so that what comes meanwhile finds it there however fast it is. */
  const stopped = async (out: string, child: ChildProcess) => {
    await writing(out, child)
    child.kill('SIGSTOP')
  }
  const doneShards = (out: string) => readdirSync(out).filter(name => /^shard-\d+-of-\d+\.jsonl$/.test(name))
  const joined = async (out: string, workers: { ended: Promise<Ended> }[], wanted = whole) => {
    for (const { code, stderr } of await Promise.all(workers.map(({ ended }) => ended))) {
      assert.equal(code, 0, stderr)
      assert.match(stderr, new RegExp(`^run \\w+: ${perShard * shards} lines in .*merged\\.jsonl$`, 'm'))
    }
    assert.deepEqual(readFileSync(join(out, 'merged.jsonl')), wanted)
    assert.deepEqual(
      readdirSync(out).filter(name => name.includes('part')),
      [],
    )
  }

  it('scores by two workers, of which one is killed while it writes', async function () {
    const rounds = process.env.MT_LLAMA_VERIFY === '1' ? 12 : 1
    this.timeout(rounds * 120_000)
    for (let round = 0; round < rounds; round++) {
      const out = join(top, `killed-${round}`)
      const { stderr } = await submit(out)
      assert.match(
        stderr,
        /^run \w{8}: 50 requests in 10 shards; bfloat16 on reference\. Workers: mt-llama fleet work .*killed-\d+$/m,
      )
      const first = worker(out, { isShort: true })
      await stopped(out, first.child)
      const second = worker(out, { isShort: true })
      await writing(out, second.child)
      // The first round kills it where it stands, the others at any moment after that.
      if (round > 0) {
        first.child.kill('SIGCONT')
        await delay(Math.random() * 1500)
      }
      first.child.kill('SIGKILL')
      await first.ended
      await joined(out, [second])
      const { state, done, failed, merged } = await status(out)
      assert.deepEqual([state, done, failed, merged.lines], ['joined', shards, [], perShard * shards])
    }
  })

  it('goes on without a worker that stands still, which changes nothing once it wakes', async () => {
    const out = join(top, 'still')
    await submit(out)
    const first = worker(out, { isShort: true })
    await stopped(out, first.child)
    await joined(out, [worker(out, { isShort: true })])
    first.child.kill('SIGCONT')
    await joined(out, [first])
  })

  it('waits for a queue that is killed, and goes on with what that has kept', async () => {
    const out = join(top, 'queue')
    await submit(out)
    const first = worker(out, { isShort: true })
    await writing(out, first.child)
    await redis.kill()
    // It writes what it has begun meanwhile, and cannot say so.
    await delay(300)
    await redis.start()
    await joined(out, [first, worker(out, { isShort: true })])
  })

  it('ends at Ctrl-C without its queue too', async () => {
    const out = join(top, 'away')
    await submit(out)
    const ended = worker(out)
    await writing(out, ended.child)
    await redis.kill()
    try {
      ended.child.kill('SIGINT')
      const { code, stderr } = await ended.ended
      assert.equal(code, 130, stderr)
    } finally {
      await redis.start()
    }
    await run(['fleet', 'cancel', out, '--redis', redis.socket])
  })

  it('gives back what a worker with a full disk has taken, which says so and ends', async function () {
    const out = join(top, 'full')
    await submit(out)
    const disk = join(top, 'disk')
    mkdirSync(disk)
    await onTmpfs(this, disk, 'size=8k', async () => {
      copyFileSync(join(out, 'run.json'), join(disk, 'run.json'))
      const { code, stderr } = await worker(disk).ended
      assert.equal(code, 1)
      assert.match(
        stderr,
        /^error: .*: the disk is full\. Shards that are done are kept; make room, .* \[OUTPUT\]$/m,
      )
    })
    const { state, done, running, waiting, failed } = await status(out)
    assert.deepEqual([state, done, running, waiting, failed], ['going on', 0, [], shards, []])
    await joined(out, [worker(out)])
  })

  it('names a shard that fails by itself, and runs that one alone once it is submitted again', async () => {
    // Errors of lines have the name that the file was given by, as those of one process have.
    const own = relative(root, join(top, 'poisoned.jsonl'))
    const lines = requests()
    lines[2 * perShard + 3] = '{"prompt": "a"}'
    writeFileSync(join(root, own), lines.join('\n'))
    const out = join(top, 'poisoned')
    const args = [
      ...['fleet', 'submit', own, '--out', out, '--requests-per-shard', `${perShard}`],
      ...['--redis', redis.socket, '--device', 'cpu'],
    ]
    await run(args)
    const reason = /poisoned\.jsonl:14: no "continuations"; expected .*\. \[DATA_INVALID\]/
    for (const { code, stderr } of await Promise.all([worker(out).ended, worker(out).ended])) {
      assert.equal(code, 1, stderr)
      assert.match(stderr, /^error: 1 of 10 shards have failed, the others are done: shard 3\/10: /m)
      assert.match(stderr, reason)
    }
    const { state, failed } = await status(out)
    assert.deepEqual([state, failed.length, failed[0].name], ['failed', 1, 'shard-03-of-10'])
    assert.match(failed[0].reason, reason)
    const { stdout } = await run(['fleet', 'status', out, '--redis', redis.socket])
    assert.match(
      stdout,
      /^run \w+: failed: .*\ndone +9 of 10\nrunning +0\nwaiting +0\nfailed +1\n {2}shard-03-of-10: .*poisoned/,
    )
    assert.equal(doneShards(out).length, shards - 1)
    const again = await run([...args, '--on-error', 'skip'])
    assert.match(again.stderr, /50 requests in 10 shards, 9 of them done already/)
    const one = join(top, 'poisoned-one.jsonl')
    await run(['score', own, '--device', 'cpu', '--on-error', 'skip', '--quiet', '--out', one])
    await joined(out, [worker(out)], readFileSync(one))
  })

  it('is cancelled, stopped by Ctrl-C and submitted again: only what is missing is run', async () => {
    const out = join(top, 'stopped')
    await submit(out)
    const ended = worker(out)
    await stopped(out, ended.child)
    await assert.rejects(
      submit(out),
      /its run is going on .* Wait for its end, or cancel it first\. \[OUTPUT\]/,
    )
    ended.child.kill('SIGINT')
    ended.child.kill('SIGCONT')
    const { code, stderr } = await ended.ended
    assert.equal(code, 130, stderr)
    const after = await status(out)
    assert.deepEqual([after.running, after.done + after.waiting], [[], shards])
    const cancelled = worker(out)
    await stopped(out, cancelled.child)
    await run(['fleet', 'cancel', out, '--redis', redis.socket])
    cancelled.child.kill('SIGCONT')
    const end = await cancelled.ended
    assert.equal(end.code, 0, end.stderr)
    assert.match(
      end.stderr,
      /^run \w+ was cancelled, or the queue has lost it; shards that are done are kept$/m,
    )
    assert.equal((await status(out)).state, 'gone')
    await submit(out)
    await joined(out, [worker(out)])
    // A shard that was done, whose file is gone, is run again.
    rmSync(join(out, 'shard-04-of-10.jsonl'))
    rmSync(join(out, 'merged.jsonl'))
    assert.match((await submit(out)).stderr, /10 shards, 9 of them done already/)
    await joined(out, [worker(out)])
    // And where none is missing, they are joined.
    rmSync(join(out, 'merged.jsonl'))
    await submit(out)
    await joined(out, [worker(out)])
  })

  it('pins the instruction set, and a worker that has another takes nothing', async function () {
    const { processors } = await listDevices()
    const variants = processors.find(({ device }) => device === 'cpu')!.variants
    const [best, other] = [variants[0]!, variants.at(-1)!]
    if (best === other) skip(this, 'this processor has one instruction set')
    const out = join(top, 'pinned')
    const env = { MT_LLAMA_CPU: other }
    const args = ['--requests-per-shard', `${perShard}`, '--redis', redis.socket]
    await run(['fleet', 'submit', input, '--out', out, ...args, '--device', 'cpu'], env)
    const refused = await worker(out, { env: { MT_LLAMA_CPU: best } }).ended
    assert.equal(refused.code, 1)
    assert.match(
      refused.stderr,
      new RegExp(
        `^error: this worker cannot give the bits .*: backend is "cpu ${other}" there and "cpu ${best}" here`,
        'm',
      ),
    )
    assert.equal((await status(out)).waiting, shards)
    // One that was told nothing uses what the run is pinned to.
    const one = join(top, 'pinned-one.jsonl')
    await run(['score', input, '--quiet', '--out', one], env)
    await joined(out, [worker(out)], readFileSync(one))
  })

  it('is refused for a device that is not where it is submitted', async () => {
    const args = ['--redis', redis.socket, '--device', 'cuda:999']
    const { code, stderr } = await cli(['fleet', 'submit', input, '--out', join(top, 'no-gpu'), ...args])
    assert.equal(code, 1)
    assert.match(
      stderr,
      /cuda:999 is not on this machine;.* submit it where a worker is to run\. \[DEVICE_UNAVAILABLE\]/,
    )
  })

  it('is submitted once of several times at the same moment, and leaves no other queue', async () => {
    const out = join(top, 'at-once')
    const queues = async () => {
      const client = new Redis(redis.socket)
      const keys = await client.keys('bull:mt-llama-*')
      client.disconnect()
      return [...new Set(keys.map(key => key.split(':')[1]))]
    }
    const before = await queues()
    const folder = { storage: await openStorage(out, shardsPlace), path: out }
    await folder.storage.prepare()
    const plan = await planRanges(
      await storedFile(input, shardsPlace),
      { linesEach: perShard },
      AbortSignal.timeout(60_000),
    )
    const settings = {
      ...{ version: '0', modelFingerprint: 'f00d', dtype: 'float32', backend: 'reference', addBos: true },
      ...({ boundary: 'joint', tooLong: 'error', topK: 0, allowNan: false } as const),
    } as const
    const submitOnce = async () => {
      const connection = await Connection.open(redis.socket, () => {})
      try {
        return await submitRun(connection, folder, plan, {
          ...{ inputPath: input, inputName: input, linesEach: perShard, onError: 'stop', settings },
          model: { path: 'model', device: 'reference' },
        })
      } finally {
        connection.close()
      }
    }
    const ends = await Promise.allSettled([submitOnce(), submitOnce(), submitOnce()])
    const submitted = ends.flatMap(end => (end.status === 'fulfilled' ? [end.value.run.id] : []))
    const refused = ends.flatMap(end => (end.status === 'rejected' ? [String(end.reason)] : []))
    assert.equal(submitted.length, 1, refused.join())
    for (const reason of refused) assert.match(reason, /its run is going on/)
    assert.equal(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')).id, submitted[0])
    assert.deepEqual(
      (await queues()).filter(name => !before.includes(name)),
      [`mt-llama-${submitted[0]}`],
    )
  })

  describe('refuses', () => {
    const fails = async (args: string[], message: RegExp, env: Record<string, string> = {}) => {
      const { code, stderr } = await cli(args, { env })
      assert.match(stderr, message)
      assert.equal(code, 1)
    }
    const submitArgs = (server: string) => [
      'fleet',
      'submit',
      input,
      '--out',
      join(top, 'refused'),
      '--redis',
      server,
    ]

    it('a queue that cannot be reached', () =>
      fails(
        submitArgs(join(top, 'nowhere.sock')),
        /^error: .*nowhere\.sock: cannot be reached \(.*ENOENT.*\)\. Start Redis or Valkey there, or name another by --redis\. \[QUEUE\]\n$/,
      ))

    it('one that removes jobs', async () => {
      const folder = join(top, 'evicting')
      mkdirSync(folder)
      const evicting = new RedisServer(folder)
      await evicting.start('--maxmemory-policy', 'allkeys-lru')
      try {
        await fails(submitArgs(evicting.socket), /maxmemory-policy is allkeys-lru, .* expected noeviction\./)
      } finally {
        await evicting.kill()
      }
    })

    it('to begin without its packages', () =>
      fails(
        submitArgs(redis.socket),
        /^error: a fleet needs the packages bullmq and ioredis, .* npm install bullmq@6 ioredis@5/,
        {
          NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(
            `import { register } from 'node:module'
           register('data:text/javascript,' + encodeURIComponent(
             'export async function resolve(name, context, next) {' +
             ' if (name === "bullmq") throw new Error("Cannot find package"); return next(name, context) }'))`,
          )}`,
        },
      ))

    it('a folder without a run, and other settings than those of shards that are there', async () => {
      await fails(
        ['fleet', 'work', root, '--redis', redis.socket],
        /holds no run of a fleet \(no run\.json\)/,
      )
      const out = join(top, 'settings')
      await submit(out)
      await joined(out, [worker(out)])
      await assert.rejects(
        submit(out, '--top-k', '2'),
        /has other settings than this run: --top-k is 0 there and 2 here/,
      )
      await assert.rejects(
        submit(out, '--requests-per-shard', '25'),
        /holds shards of 10, and this run has 2\./,
      )
    })
  })
})
