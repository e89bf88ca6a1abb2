// Loads `mt-llama serve` with autocannon's 64 connections, prompts of mixed lengths, then with slow readers and clients that leave
// (test/server-load.ts), for some seconds each, in rounds. Prints statuses, errors, resident memory and the delay of the event loop. Exits
// with 1 for another status than 200 and 429, or an error.
//
//   node --import tsx bench/serve/load.ts [--model FILE] [--seconds 15] [--rounds 3]
//
// Needs dist/ and peers/setup.sh. Everything stays on this machine's loopback. The delay is prom-client's, less the 10 ms after which it looks.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Load } from '../../test/server-load.ts'
import { shared } from '../../test/shared.ts'
import { machine, table } from '../report.ts'
import { peers } from '../rival.ts'
import { ServerProcess } from './server.ts'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: shared('models', 'smollm2-135m', 'model-q4_1.gguf') },
    seconds: { type: 'string', default: '15' },
    rounds: { type: 'string', default: '3' },
  },
})
const seconds = Number(options.seconds)

interface AutocannonResult {
  statusCodeStats: Record<string, { count: number }>
  errors: number
  timeouts: number
  requests: { average: number }
  latency: { p50: number; p99: number }
}
const autocannon = createRequire(`${peers}package.json`)('autocannon') as (
  options: object,
) => Promise<AutocannonResult>

const head = machine()
const server = await ServerProcess.start(options.model, ['--threads', '1', '--max-queue', '20000'])
const rows: string[][] = []
try {
  for (let round = 1; round <= Number(options.rounds); round++) {
    await figures()
    const found = await autocannon({
      ...{ url: `${server.url}/v1/completions`, connections: 64, duration: seconds, timeout: 60 },
      requests: bodies().map(body => ({
        ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
        body: JSON.stringify(body),
      })),
    })
    const statuses = Object.fromEntries(
      Object.entries(found.statusCodeStats).map(([s, { count }]) => [s, count]),
    )
    await row(`${round}: autocannon`, statuses, found.errors + found.timeouts)
    await figures()
    const { statuses: others, errors, left } = await slowAndLeaving()
    await row(`${round}: slow readers, ${left} left`, others, errors.length)
  }
} finally {
  await server.stop()
}
console.log(`${head}\n`)
console.log(table(['round', '200', '429', 'other', 'errors', 'RSS MiB', 'loop p50 ms', 'loop p99 ms'], rows))

/** Scores and new texts of short and long prompts. */
function bodies(): object[] {
  return [1, 4, 16, 40].flatMap(length => {
    const prompt = 'The sea is wide, and nobody knows how deep. '.repeat(length)
    return [
      { prompt, echo: true, logprobs: 1, max_tokens: 1, temperature: 0 },
      { prompt, max_tokens: 8 },
    ]
  })
}

async function slowAndLeaving(): Promise<Load> {
  const file = fileURLToPath(new URL('../../test/server-load.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', file, server.url], {
    ...{ stdio: ['pipe', 'pipe', 'inherit'], timeout: (seconds + 120) * 1000, killSignal: 'SIGKILL' },
  })
  const output = text(child.stdout!)
  await sleep(seconds * 1000)
  child.stdin!.end()
  return JSON.parse(await output) as Load
}

async function row(name: string, statuses: Record<string, number>, errors: number): Promise<void> {
  const { 200: answered = 0, 429: refused = 0, ...others } = statuses
  const other = Object.values(others).reduce((a, b) => a + b, 0)
  if (other > 0 || errors > 0) process.exitCode = 1
  const { memory, p50, p99 } = await figures()
  rows.push([name, `${answered}`, `${refused}`, `${other}`, `${errors}`, memory, p50, p99])
  process.stderr.write(`${rows.at(-1)!.join('  ')}\n`)
}

/** What /metrics says, of the loop since it was asked before. */
async function figures(): Promise<{ memory: string; p50: string; p99: string }> {
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  const figure = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(metrics)![1])
  const delay = (name: string) =>
    Math.max(0, 1000 * figure(`nodejs_eventloop_lag_${name}_seconds`) - 10).toFixed(1)
  const memory = (figure('process_resident_memory_bytes') / 2 ** 20).toFixed(0)
  return { memory, p50: delay('p50'), p99: delay('p99') }
}
