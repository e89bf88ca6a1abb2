// Connections of the HTTP server: several requests on one, clients that go away or do not read, and what all of them may hold.
import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { limits, post, withServer } from './server-run.ts'

const body = { prompt: 'Hi', max_tokens: 2, temperature: 0 }
/** Runs for as long as the context has room. */
const long = { prompt: 'Hi', max_tokens: 2000, temperature: 1, seed: 1, n: 8 }

describe('connections of the HTTP server', () => {
  it('stay open after an answer of any kind, and gather no listeners', () =>
    withServer(
      async ({ url }) => {
        const warnings: Error[] = []
        const onWarning = (warning: Error) => void warnings.push(warning)
        process.on('warning', onWarning)
        const agent = new Agent({ keepAlive: true, maxSockets: 1 })
        const ports = new Set<number>()
        const ask = (method: string, path: string, fields?: object, key = 'key') =>
          new Promise<number>((resolve, reject) => {
            const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
            const asked = request(url + path, { method, agent, headers }, answer => {
              ports.add(asked.socket!.localPort!)
              answer.on('end', () => resolve(answer.statusCode!)).resume()
            })
            asked.on('error', reject).end(fields && JSON.stringify(fields))
          })
        for (let i = 0; i < 12; i++) {
          assert.equal(await ask('GET', '/v1/nothing'), 404)
          assert.equal(await ask('GET', '/v1/completions'), 405)
          assert.equal(await ask('GET', '/v1/models', undefined, 'none'), 401)
          assert.equal(await ask('GET', '/v1/models'), 200)
          assert.equal(await ask('POST', '/v1/completions', { ...body, stream: true }), 200)
          assert.equal(await ask('POST', '/v1/completions', body), 200)
          assert.equal(await ask('POST', '/v1/completions', { ...body, n: 0 }), 400)
        }
        assert.equal(ports.size, 1)
        agent.destroy()
        await sleep(0)
        process.off('warning', onWarning)
        assert.deepEqual(warnings, [])
      },
      { apiKeys: ['key'] },
    ))

  it('do not end within a request because the one before it was answered long ago', () =>
    withServer(
      async ({ url, model }) => {
        const [some] = await model.generate(['Hi'], { maxTokens: 1 })
        // The first answer is more than the sockets' buffers hold, and the second one takes long.
        model.generateTold = async (_, { seed }) => {
          if (seed === 2) await sleep(1000)
          return [{ ...some!, text: seed === 1 ? 'x'.repeat(2 ** 23) : 'end' }]
        }
        const socket = open(url)
        let text = ''
        socket.on('data', chunk => {
          text += chunk
        })
        // Both are there before the first one is answered.
        socket.write(posted({ ...body, seed: 1 }) + posted({ ...body, seed: 2 }))
        await until(() => socket.closed || text.split('text_completion').length > 2)
        assert.equal(text.split('HTTP/1.1 200').length, 3)
        socket.destroy()
      },
      { limits: { ...limits, idleMs: 100 } },
    ))

  it('that go free the places of all requests on them', () =>
    withServer(async ({ url, server, logged }) => {
      const socket = open(url)
      socket.write(posted(long) + posted(long) + posted({ ...long, stream: true }))
      await until(() => server.work.waitingTokens > 3 * 8 * 512)
      socket.destroy()
      await until(() => server.work.waitingTokens === 0)
      assert.deepEqual(
        logged.map(({ status }) => status),
        [499, 499, 499],
      )
    }))

  it('keep their places until answers are taken', () =>
    withServer(async ({ url, server, model, logged }) => {
      const [some] = await model.generate(['Hi'], { maxTokens: 1 })
      // More than the sockets' buffers hold.
      model.generateTold = async () => [{ ...some!, text: 'x'.repeat(2 ** 25) }]
      const socket = open(url)
      socket.pause()
      socket.write(posted(body))
      await until(() => server.work.waitingTokens > 0)
      // An answer that is sent to another takes as long.
      const { json } = await post(`${url}/v1/completions`, body)
      assert.equal(json.choices[0].text.length, 2 ** 25)
      await until(() => logged.length === 1)
      assert.ok(server.work.waitingTokens > 0)
      socket.destroy()
      await until(() => server.work.waitingTokens === 0)
    }))

  it('may send no more bodies at once than there is room for', () =>
    withServer(
      async ({ url }) => {
        const begun = posted({ prompt: 'x'.repeat(950), max_tokens: 1 }).slice(0, -1)
        const sockets = Array.from({ length: 20 }, () => open(url))
        for (const socket of sockets) socket.write(begun)
        let refused = ''
        for (const socket of sockets)
          socket.on('data', chunk => {
            refused += chunk
          })
        await until(() => refused.includes('too many bodies'))
        assert.match(refused, /^HTTP\/1\.1 429 [\s\S]*retry-after: 1\r\n/i)
        for (const socket of sockets) socket.destroy()
        let status = 429
        while (status === 429)
          ({ status } = await post(`${url}/v1/completions`, { prompt: 'Hi', max_tokens: 1 }))
        assert.equal(status, 200)
      },
      { limits: { ...limits, bodyBytes: 1000, queueTokens: 100 } },
    ))

  const large: [name: string, path: string, fields: object][] = [
    [
      'a prompt that each of many choices echoes',
      '/v1/completions',
      { prompt: 'a'.repeat(1000), n: 128, echo: true, logprobs: 20, max_tokens: 0 },
    ],
    [
      'many labels of many items',
      '/generative_scoring',
      { query: 'a', items: texts(4096), label_token_ids: Array(4096).fill(1) },
    ],
    [
      'a long query before many items',
      '/generative_scoring',
      { query: Array(2 ** 20).fill(1), items: Array(4096).fill([1]), label_token_ids: [1] },
    ],
    ['many labels of many texts', '/classify', { input: texts(4096), labels: texts(4096) }],
    [
      'many labels of many texts, one by one',
      '/classify',
      { input: texts(4096), labels: texts(4096), multi_label: true },
    ],
    [
      'a long template of many documents',
      '/v1/rerank',
      { query: 'a', documents: texts(4096), template: `${'a'.repeat(2 ** 20)}{document}` },
    ],
    [
      'a long template of many pairs',
      '/v1/score',
      { text_1: 'a', text_2: texts(4096), template: `${'a'.repeat(2 ** 20)}{document}` },
    ],
    ['many embeddings', '/v1/embeddings', { input: texts(4000) }],
  ]
  it('take nothing whose answer has no room', () =>
    withServer(
      async ({ url, server }) => {
        for (const [name, path, fields] of large) {
          const { status, json } = await post(url + path, fields)
          assert.deepEqual([status, json.error?.code], [413, 'request_too_large'], name)
        }
        assert.equal(server.work.waitingTokens, 0)
      },
      { limits: { ...limits, bodyBytes: 2 ** 24, prompts: 4096, queueTokens: 12_000 } },
    ))
})

function texts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String.fromCodePoint(0x4e00 + i))
}

function open(url: string): Socket {
  const { port, hostname } = new URL(url)
  return connect(Number(port), hostname).on('error', () => {})
}

/** A request for completions as bytes. */
function posted(fields: object): string {
  const text = JSON.stringify(fields)
  return `POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(5)
}
