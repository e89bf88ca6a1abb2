// Keeps two processes from writing to one place: each announces itself by a file, then looks for those of others.
// All that is to be known stands in the file's name, so that a lock is whole from the start, on a full disk too.
import { open, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { MtLlamaError } from '../errors.ts'

/** A process that has announced itself by a lock file. */
export interface Holder {
  /** Machine, process number and time of its start: no two processes have the same. */
  id: string
  pid: number
  /** The machine's name as people know it. */
  host: string
  since: Date
}

export interface Lock {
  /** The holder's id, for the names of files that only it writes. */
  readonly id: string
  release(): Promise<void>
}

export interface LockOptions {
  /** What is locked and what to do about it, for messages: ['./run', 'Name another --out folder']. */
  words: readonly [place: string, advice: string]
  /** Called with a holder that has ended without release(), and may remove its files. Its lock is removed afterwards. */
  onAbandoned: (holder: Holder) => void | Promise<void>
  /**
   * Called where another process that runs holds the lock; once it has returned, the lock is tried again. Without it, such
   * a lock is an error.
   */
  onHeld?: (holder: Holder) => Promise<void>
}

/** Two processes that announce themselves within this time, in ms, may be starting together: one of them waits. */
const startingMs = 3000

/**
 * Locks what `path` stands for, until release() or the end of the process. The lock is a file `PATH.lock-ID`. One whose
 * process has ended is taken over; one of another machine, or of another container, cannot be judged and is respected.
 * @throws OUTPUT naming process, machine and time where another process holds the lock
 */
export async function takeLock(path: string, options: LockOptions): Promise<Lock> {
  for (;;) {
    const taken = await tryLock(path, options)
    if ('release' in taken) return taken
    if (!options.onHeld) throw refusal(options.words, running(taken))
    await options.onHeld(taken)
  }
}

/** @returns the holder where another process has the lock */
async function tryLock(path: string, { words, onAbandoned }: LockOptions): Promise<Lock | Holder> {
  const id = await ownId()
  const file = lockFile(path, id)
  const own = await open(file, 'wx').catch(error => {
    throw error.code === 'EEXIST' ? refusal(words, 'by this process') : error
  })
  await own.close()
  try {
    const { mtimeMs: announced } = await stat(file)
    const begin = performance.now()
    for (;;) {
      const others = (await holders(path)).filter(holder => holder.id !== id)
      const rivals: Holder[] = []
      for (const holder of others) {
        const state = await stateOf(holder)
        if (state === 'ended') {
          await onAbandoned(holder)
          await rm(lockFile(path, holder.id), { force: true })
        } else if (state === 'running') rivals.push(holder)
        else throw refusal(words, foreign(holder, lockFile(path, holder.id)))
      }
      if (rivals.length === 0) break
      // If several start together, the first by id goes on, once the others have seen it and left. Nobody goes on while
      // another's lock is there, so any order will do that is the same for all.
      const holding = rivals.find(
        rival =>
          rival.id < id ||
          Math.abs(announced - rival.since.getTime()) > startingMs ||
          performance.now() - begin > startingMs,
      )
      if (holding) {
        await rm(file, { force: true })
        return holding
      }
      await delay(20)
    }
  } catch (error) {
    await rm(file, { force: true })
    throw error
  }
  return { id, release: () => rm(file, { force: true }) }
}

/** Names a holder in a message: 'process 12 on host, since 2026-01-01T00:00:00.000Z'. */
export function holderName({ pid, host, since }: Holder): string {
  return `process ${pid} on ${host}, since ${since.toISOString()}`
}

function refusal([place, advice]: LockOptions['words'], by: string): MtLlamaError {
  return new MtLlamaError('OUTPUT', `${place} is being written ${by}. ${advice}.`)
}

function running(holder: Holder): string {
  return `by ${holderName(holder)}. Wait for it or stop it`
}

function foreign(holder: Holder, file: string): string {
  return `by ${holderName(holder)}, as its lock says; whether it still runs cannot be seen from here. If it has ended, remove ${file}`
}

function lockFile(path: string, id: string): string {
  return `${path}.lock-${id}`
}

const idPattern = /^(.+)-(\d+)-(\d+)-(\d+)$/

async function holders(path: string): Promise<Holder[]> {
  const prefix = lockFile(basename(path), '')
  const found: Holder[] = []
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(prefix)) continue
    const id = name.slice(prefix.length)
    const [, host, , pid] = idPattern.exec(id) ?? []
    // The lock may have been released since readdir() saw it.
    const file = await stat(join(dirname(path), name)).catch(() => undefined)
    if (host && pid && file) found.push({ id, pid: Number(pid), host: hostOf(host), since: file.mtime })
  }
  return found.sort((a, b) => (a.id < b.id ? -1 : 1))
}

function hostOf(encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return encoded
  }
}

async function stateOf(holder: Holder): Promise<'running' | 'ended' | 'unknown'> {
  if (!holder.id.startsWith(`${await ownMachine()}-`)) return 'unknown'
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'ended'
  }
  const status = await processStatus(holder.pid)
  if (!status) return 'running'
  // A process that nobody has waited for still has its number; another process may have got it since.
  return status.defunct || !holder.id.endsWith(`-${status.start}`) ? 'ended' : 'running'
}

/** The host name and the number of the namespace of processes, since a container's process 7 is not the host's. */
async function ownMachine(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  return `${encodeURIComponent(hostname())}-${/\d+/.exec(namespace)?.[0] ?? 0}`
}

async function ownId(): Promise<string> {
  const status = await processStatus(process.pid)
  return `${await ownMachine()}-${process.pid}-${status?.start ?? 0}`
}

/**
 * proc(5): the state is the third field of /proc/PID/stat, the time of the start, in clock ticks, the 22nd.
 * @returns undefined where the system has no such file
 */
async function processStatus(pid: number): Promise<{ defunct: boolean; start: string } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The second field, the program's name in brackets, may hold anything.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  if (!fields || fields.length < 20) return undefined
  return { defunct: fields[0] === 'Z' || fields[0] === 'X', start: fields[19]! }
}
