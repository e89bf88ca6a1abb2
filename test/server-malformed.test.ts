// Connections that send what is no HTTP: answered as other errors are, closed, and logged without what they sent.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { maxHeaderSize } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Value } from 'typebox/value'
import { errorBody } from '../src/server/schemas.ts'
import { limits, metric, post, withServer } from './server-run.ts'

const chunked =
  'POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'
const lines = chunked.replace('completions', 'loglikelihood').replace('json', 'x-ndjson')
const posted = '{"prompt": "secret", "max_tokens": 1}'
const fully = `POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${posted.length}\r\n\r\n${posted}`

const cases: [name: string, sent: string, status: number, message: RegExp, route: string][] = [
  [
    'a method that there is not',
    'SECRET / HTTP/1.1\r\nHost: a\r\n\r\n',
    400,
    /^what was sent is no HTTP$/,
    'none',
  ],
  [
    'a version that there is not',
    'GET /secret HTTP/secret\r\n\r\n',
    400,
    /^what was sent is no HTTP$/,
    'none',
  ],
  ['the beginning of TLS', '\x16\x03\x01\x02\x00\x01secret', 400, /^what was sent is no HTTP$/, 'none'],
  ['a field without a colon', 'GET /health HTTP/1.1\r\nHost: a\r\nsecret\r\n\r\n', 400, /no HTTP$/, 'none'],
  [
    'a length that is no number',
    chunked.replace('Transfer-Encoding: chunked', 'Content-Length: secret'),
    400,
    /no HTTP$/,
    'none',
  ],
  ['no host', 'GET /health HTTP/1.1\r\n\r\n', 400, /^the header has no Host$/, 'none'],
  [
    'what nobody can expect',
    'GET /health HTTP/1.1\r\nHost: a\r\nExpect: secret\r\n\r\n',
    417,
    /^the header has an Expect other than 100-continue$/,
    'none',
  ],
  [
    'a header that is too long',
    `GET /health HTTP/1.1\r\nHost: a\r\nsecret: ${'x'.repeat(2 * maxHeaderSize)}\r\n\r\n`,
    431,
    /^the header is larger than \d+ bytes$/,
    'none',
  ],
  [
    'a header that is not there in time',
    'GET /health HTTP/1.1\r\nsecret: 1\r\n',
    408,
    /^the header was not there in 300 ms$/,
    'none',
  ],
  ['a chunk without a length', `${chunked}secret\r\n`, 400, /no HTTP$/, '/v1/completions'],
  ['a chunk of lines without a length', `${lines}secret\r\n`, 400, /no HTTP$/, '/v1/loglikelihood'],
  [
    'a chunk with long extensions',
    `${chunked}1;${'x'.repeat(20_000)}\r\n`,
    413,
    /^the extensions of a chunk/,
    '/v1/completions',
  ],
]

describe('connections that send what is no HTTP', () => {
  for (const [name, sent, status, message, route] of cases)
    it(`${name} is ${status}`, () =>
      withServer(
        async ({ url, logged }) => {
          const socket = open(url)
          socket.write(sent)
          const [head, body] = (await untilEnd(socket)).split('\r\n\r\n')
          assert.match(head!, new RegExp(`^HTTP/1\\.1 ${status} [A-Z]`))
          assert.match(head!, /^connection: close$/im)
          const json = JSON.parse(body!)
          assert.deepEqual(Value.Errors(errorBody, json), [])
          assert.equal(json.error.type, 'invalid_request_error')
          assert.match(json.error.message, message)
          while (logged.length === 0) await nextTurn()
          assert.deepEqual([logged.length, logged[0]!.status, logged[0]!.route], [1, status, route])
          assert.match(head!, new RegExp(`^x-request-id: ${route === 'none' ? logged[0]!.id : '.+'}$`, 'im'))
          assert.doesNotMatch(JSON.stringify(logged), /secret/i)
          const counted = `mt_llama_requests_total{route="${route}",status="${status}"}`
          assert.equal(await metric(url, counted), 1)
          assert.equal((await post(`${url}/v1/completions`, { prompt: 'Hi', max_tokens: 1 })).status, 200)
        },
        { limits: { ...limits, idleMs: 300 } },
      ))

  it('are ended without a word where the answer would be taken for that to an earlier request', () =>
    withServer(async ({ url, logged }) => {
      const socket = open(url)
      socket.write(`${fully}secret\r\n\r\n`)
      assert.equal(await untilEnd(socket), '')
      while (logged.length === 0) await nextTurn()
      assert.deepEqual(
        logged.map(({ status }) => status),
        [499],
      )
    }))

  it('and cannot be answered are ended', () =>
    withServer(async ({ url, server, logged }) => {
      const socket = open(url)
      socket.write(`${chunked}1\r\n{\r\n`)
      // Nobody is there to read an answer.
      socket.resetAndDestroy()
      while (logged.length === 0) await nextTurn()
      assert.equal(logged[0]!.status, 499)
      assert.equal(server.work.waitingTokens, 0)
    }))
})

function open(url: string): Socket {
  const { port, hostname } = new URL(url)
  return connect(Number(port), hostname).on('error', () => {})
}

/** What a connection is answered with until the server closes it. */
async function untilEnd(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  if (!socket.closed) await once(socket, 'close')
  return text
}
