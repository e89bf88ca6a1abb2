// Tests locks between processes: held ones are respected, those of ended processes are taken over, others cannot be judged.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeFolder } from '../src/checkpoint/files.ts'
import { type Holder, type Lock, takeLock } from '../src/files/lock.ts'
import { childLimit } from './child-limit.ts'
import { root } from './cli-run.ts'
import { skip } from './skip.ts'
import { onTmpfs } from './tmpfs.ts'

/** The program of a process that takes a lock, says so or why not, and keeps it until it is told to end. */
const script = `
  import { takeLock } from './src/files/lock.ts'
  process.stdin.on('data', async () => {
    try {
      await takeLock(process.argv[1], { words: ['DIR', 'ADVICE'], onAbandoned: () => {} })
      console.log('held')
    } catch (error) {
      console.log(error.message)
    }
  })
  process.stdin.once('end', () => process.exit())
  console.log('ready')`

describe('takeLock', () => {
  let folder: string
  let path: string
  const children: ChildProcess[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-lock-'))
    path = join(folder, 'run')
  })
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })

  const take = async (): Promise<{ lock: Lock; abandoned: Holder[] }> => {
    const abandoned: Holder[] = []
    const lock = await takeLock(path, {
      words: ['DIR', 'ADVICE'],
      onAbandoned: holder => void abandoned.push(holder),
    })
    return { lock, abandoned }
  }
  const names = () => readdirSync(folder)

  /** Starts a child that is ready to take the lock; it tries once it is asked, and says what has come of it. */
  const startHolder = async () => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', script, path],
      {
        ...{ cwd: root, stdio: ['pipe', 'pipe', 'inherit'], ...childLimit },
      },
    )
    children.push(child)
    const said = child.stdout!.setEncoding('utf8')
    await once(said, 'data')
    return {
      child,
      ask: async (): Promise<string> => {
        child.stdin!.write('\n')
        const [text] = await once(said, 'data')
        return text.trim()
      },
    }
  }

  it('leaves nothing behind, and can be taken again', async () => {
    for (let i = 0; i < 3; i++) {
      const { lock, abandoned } = await take()
      assert.deepEqual([names().length, abandoned], [1, []])
      await lock.release()
      assert.deepEqual(names(), [])
    }
  })

  it('is refused within the process that holds it', async () => {
    const { lock } = await take()
    await assert.rejects(take(), { code: 'OUTPUT', message: 'DIR is being written by this process. ADVICE.' })
    await lock.release()
    await (await take()).lock.release()
  })

  it('of a process that runs is refused, naming it; of one that was killed it is taken over, naming it', async () => {
    const { child, ask } = await startHolder()
    assert.equal(await ask(), 'held')
    await assert.rejects(take(), error => {
      assert.match(
        String(error),
        new RegExp(
          `DIR is being written by process ${child.pid} on \\S+, since \\d{4}-\\d\\d-\\d\\dT\\S+Z\\. Wait for it or stop it\\. ADVICE\\.$`,
        ),
      )
      return true
    })
    assert.equal(names().length, 1)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const { lock, abandoned } = await take()
    assert.deepEqual(
      abandoned.map(holder => holder.pid),
      [child.pid],
    )
    assert.equal(names().length, 1)
    await lock.release()
    assert.deepEqual(names(), [])
  })

  it('of a process that is stopped for a while is respected', async () => {
    const { child, ask } = await startHolder()
    assert.equal(await ask(), 'held')
    child.kill('SIGSTOP')
    await assert.rejects(take(), { code: 'OUTPUT' })
  })

  it('goes to one of several that ask at once', async () => {
    const holders = await Promise.all([startHolder(), startHolder(), startHolder()])
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(holders.map(({ ask }) => ask()))
      assert.ok(answers.filter(answer => answer === 'held').length <= 1, answers.join('\n'))
      assert.ok(names().length <= 1)
      if (answers.includes('held')) return
    }
    assert.fail('nobody got the lock')
  })

  /** Parses the id of this process's lock: machine with its namespace of processes, process, start. */
  const ownParts = async () => {
    const { lock } = await take()
    await lock.release()
    const [, machine, pid, start] = /^(.+)-(\d+)-(\d+)$/.exec(lock.id)!
    return { machine: machine!, pid: pid!, start: start! }
  }
  const plant = (id: string) => writeFileSync(`${path}.lock-${id}`, '')

  it('of a process whose number another one has now is taken over', async () => {
    const { machine, pid } = await ownParts()
    const parent = `${machine}-${process.ppid}-1`
    plant(parent)
    plant(`${machine}-${pid}-1`)
    const { lock, abandoned } = await take()
    assert.deepEqual(abandoned.map(holder => holder.id).sort(), [parent, `${machine}-${pid}-1`].sort())
    await lock.release()
  })

  it('of a process that has ended and nobody has waited for is taken over', async function () {
    if (process.platform !== 'linux') skip(this, 'needs /proc')
    // The shell starts a child that ends at once, and becomes a program that waits for no child.
    const shell = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 50'], childLimit)
    children.push(shell)
    const [text] = await once(shell.stdout!.setEncoding('utf8'), 'data')
    const pid = Number(text)
    const stat = () => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    while (stat()[0] !== 'Z') await new Promise(resolve => setTimeout(resolve, 10))
    const { machine } = await ownParts()
    plant(`${machine}-${pid}-${stat()[19]}`)
    const { lock, abandoned } = await take()
    assert.deepEqual(
      abandoned.map(holder => holder.pid),
      [pid],
    )
    await lock.release()
  })

  for (const [title, id] of [
    ['another machine', 'other%20host-4026531836-77-5'],
    ['a machine whose name is no encoding', '%zz-0-77-5'],
  ] as const) {
    it(`of ${title} is refused, saying what to do`, async () => {
      plant(id)
      utimesSync(`${path}.lock-${id}`, 1000, 1000)
      await assert.rejects(take(), error => {
        assert.ok(error instanceof Error)
        assert.match(
          error.message,
          /^DIR is being written by process 77 on (other host|%zz), since 1970-01-01T00:16:40\.000Z, as its lock says; whether it still runs cannot be seen from here\. If it has ended, remove .*run\.lock-/,
        )
        return true
      })
      assert.deepEqual(names(), [`run.lock-${id}`])
    })
  }

  it('of another container on this machine is refused', async () => {
    const { machine } = await ownParts()
    plant(`${machine.replace(/\d+$/, '123')}-1-5`)
    await assert.rejects(take(), { code: 'OUTPUT', message: /cannot be seen from here/ })
  })

  it('passes over files that are no locks of this place', async () => {
    for (const name of ['run.lock-', 'run.lock-x', 'run.lock-host-1-2', 'other.lock-host-1-2-3', 'run'])
      writeFileSync(join(folder, name), '')
    await (await take()).lock.release()
    assert.equal(names().length, 5)
  })

  it('follows no link at its name', async () => {
    const { machine, pid, start } = await ownParts()
    symlinkSync(join(folder, 'nothing'), `${path}.lock-${machine}-${pid}-${start}`)
    await assert.rejects(take(), { code: 'OUTPUT' })
    assert.equal(names().length, 1)
  })

  it('can be taken on a disk that is full', async function () {
    await onTmpfs(this, folder, 'size=16k', async () => {
      assert.throws(() => writeFileSync(join(folder, 'ballast'), Buffer.alloc(1 << 20)), { code: 'ENOSPC' })
      await (await take()).lock.release()
    })
  })
})

describe('makeFolder', () => {
  it('does not mind others that make the same folders at the same time', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mt-llama-folder-'))
    try {
      for (let round = 0; round < 20; round++) {
        const path = join(folder, String(round), 'a', 'b', 'c')
        await Promise.all(Array.from({ length: 8 }, () => makeFolder(path)))
        assert.deepEqual(readdirSync(path), [])
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
