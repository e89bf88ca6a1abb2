// How long a large body of JSON holds the event loop up: parsed at once, parsed by a worker, and as the server reads and checks it.
// Run with: node --import tsx bench/serve/body-turns.ts. The lowest of some runs counts: others on the machine only add to it.
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { loadModel } from '../../src/index.ts'
import { limits, startServer } from '../../test/server-run.ts'
import { defaultModel } from '../../test/tiny-model.ts'

const runs = 5

/** Bodies of about so many bytes, that are refused once they are checked. */
const bodies: [name: string, path: string, body: (bytes: number) => object][] = [
  ['one text', '/v1/rerank', n => ({ query: 'a', documents: [], template: 'long '.repeat(n / 5) })],
  ['texts', '/v1/embeddings', n => ({ input: filled(n / 18, i => `some text ${i}`) })],
  [
    'requests',
    '/v1/loglikelihood',
    n => ({
      requests: filled(n / 78, i => ({ prompt: `Is ${i} a good number?`, continuations: [' yes', ' no'] })),
    }),
  ],
  [
    'token ids',
    '/v1/embeddings',
    n => ({ input: filled(n / 6, i => [(i * 7919) % 50_000]).flat(), dimensions: 1 }),
  ],
  ['lists of token ids', '/v1/embeddings', n => ({ input: filled(n / 10, () => [1, 2, 3, 4]) })],
]

const worker = new Worker(
  `const { parentPort } = require('node:worker_threads')
   parentPort.on('message', bytes => parentPort.postMessage(JSON.parse(Buffer.from(bytes).toString())))`,
  { eval: true },
)
await using model = await loadModel(defaultModel, { dtype: 'float32' })
const { url, server } = await startServer(model, { limits: { ...limits, bodyBytes: 2 ** 25, prompts: 1 } })

console.log('| body | MiB | at once, ms | by a worker, ms | in the server, ms |\n|---|--:|--:|--:|--:|')
for (const [name, path, body] of bodies)
  for (const mib of [1, 4, 16]) {
    const bytes = Buffer.from(JSON.stringify(body(mib * 2 ** 20)))
    const figures = [
      await longestTurn(async () => JSON.parse(bytes.toString())),
      await longestTurn(async () => {
        const copy = new Uint8Array(bytes).buffer
        worker.postMessage(copy, [copy])
        await once(worker, 'message')
      }),
      await longestTurn(async () => {
        const asked = request(url + path, { method: 'POST', headers: { 'content-type': 'application/json' } })
        asked.end(bytes)
        const [answer] = (await once(asked, 'response')) as [IncomingMessage]
        if (answer.statusCode !== 400) throw new Error(`${name}: ${answer.statusCode}`)
        for await (const _ of answer);
      }),
    ]
    console.log(`| ${name} | ${mib} | ${figures.map(ms => ms.toFixed(1)).join(' | ')} |`)
  }
await server.close(AbortSignal.abort())
await worker.terminate()

function filled<Entry>(length: number, entry: (index: number) => Entry): Entry[] {
  return Array.from({ length: Math.floor(length) }, (_, i) => entry(i))
}

/** The lowest of the longest turns of some runs, in ms. */
async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  const found: number[] = []
  for (let run = 0; run < runs; run++) {
    let longest = 0
    let last = performance.now()
    let isOn = true
    const turn = () => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
      if (isOn) setImmediate(turn)
    }
    turn()
    await delay(20)
    longest = 0
    await work()
    await delay(10)
    isOn = false
    found.push(longest)
  }
  return Math.min(...found)
}
