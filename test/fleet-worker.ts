// A worker of a fleet in a process of its own, with times that suit tests: `fleet-worker.ts FOLDER SOCKET [LOCK_MS]`.
import { fleetWork } from '../src/cli/fleet-work.ts'
import type { Io } from '../src/cli/io.ts'

const [folder = '', redis = '', lock = '30000'] = process.argv.slice(2)
const stop = new AbortController()
process.on('SIGINT', () => stop.abort())
const io: Io = {
  signal: stop.signal,
  sayAtStop: () => {},
  exitCode: () => 0,
  endWith: () => {},
  endWell: () => {},
}
try {
  await fleetWork(
    io,
    folder,
    { redis, threads: 1 },
    { lock: Number(lock), stalled: Number(lock) / 2, poll: 50 },
  )
} catch (error) {
  const { code, message } = error as { code?: string; message: string }
  console.error(`error: ${message} [${code}]`)
  process.exitCode = code === 'ABORTED' ? 130 : 1
}
