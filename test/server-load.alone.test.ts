// The server under load: 64 connections of all kinds of clients for some seconds, from a process of their own.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { childLimit } from './child-limit.ts'
import { memory } from './process-memory.ts'
import type { Load } from './server-load.ts'
import { limits, withServer } from './server-run.ts'
import { skip } from './skip.ts'
import { measureWork, p99Of, turnsMissing } from './turns.ts'

const file = new URL('server-load.ts', import.meta.url).pathname
/** Some of the requests of 64 connections find the queue full. */
const queueTokens = 3_000
/** Far more than the caches of a server hold, and far less than the answers of a run take. */
const growth = 64 * 2 ** 20

describe('a server under load', () => {
  it('answers with 200 or 429, keeps its memory, and its turns below 10 ms: p99, median of five', async function () {
    if (turnsMissing) skip(this, turnsMissing)
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const settled = () => {
      collect()
      return memory('VmRSS')
    }
    await withServer(
      async ({ url }) => {
        const child = spawn(process.execPath, ['--import', 'tsx', file, url], {
          ...{ ...childLimit, stdio: ['pipe', 'pipe', 'inherit'] },
        })
        const output = text(child.stdout)
        const p99: number[] = []
        let before = 0
        for (let i = 0; i < 5; i++) {
          // Code that is new is slow, and the first answers fill caches.
          if (i === 0) await answered(url, 250)
          if (i === 0) before = settled()
          p99.push(p99Of(await measureWork()))
        }
        const grown = settled() - before
        child.stdin.end()
        const { statuses, errors, left } = JSON.parse(await output) as Load
        assert.deepEqual(errors, [])
        assert.deepEqual(
          Object.keys(statuses).filter(status => status !== '200' && status !== '429'),
          [],
        )
        assert.ok(statuses[200]! > 100 && left > 0, `answered and left: ${statuses[200]}, ${left}`)
        assert.ok(grown < growth, `resident memory grew by ${grown} bytes`)
        const median = p99.toSorted((a, b) => a - b)[2]!
        assert.ok(median < 10, `p99 of a turn in ms, five runs: ${p99.map(ms => ms.toFixed(1)).join(' ')}`)
      },
      { limits: { ...limits, queueTokens } },
    )
  })
})

/** Until the server has answered so many requests. */
async function answered(url: string, wanted: number): Promise<void> {
  for (let count = 0; count < wanted; await sleep(50)) {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const lines = metrics.split('\n').filter(line => line.startsWith('mt_llama_requests_total{'))
    count = lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }
}
