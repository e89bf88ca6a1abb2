// The server around its routes: bodies, keys, limits, clients that go, draining, metrics, the log, and its own description.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { Model, ScoreOptions, ScoreRequest } from '../src/index.ts'
import { Admission } from '../src/server/admission.ts'
import { routes } from '../src/server/routes.ts'
import { limits, metric, post, withServer } from './server-run.ts'

const body = { prompt: 'Hi', max_tokens: 2, temperature: 0 }
/** A request that runs for as long as the context has room. */
const long = { prompt: 'Hi', max_tokens: 2000, temperature: 1, seed: 1, n: 8, stream: true }

describe('the HTTP server', () => {
  const wrong: [name: string, path: string, options: RequestInit, status: number, message: RegExp][] = [
    ['a path that there is not', '/v1/nothing', {}, 404, /^no such path/],
    ['a method that a path does not take', '/v1/completions', { method: 'DELETE' }, 405, /takes POST$/],
    [
      'a body that is no JSON',
      '/v1/completions',
      { body: '{"prompt": secret}' },
      400,
      /^the body is no JSON$/,
    ],
    ['a body that ends early', '/v1/completions', { body: '{"prompt":' }, 400, /^the body is no JSON/],
    ['an empty body', '/v1/completions', { body: '' }, 400, /^the body is no JSON/],
    ['JSON that is no object', '/v1/completions', { body: '[1]' }, 400, /^the body: /],
    [
      'no content type',
      '/v1/completions',
      { headers: { 'content-type': '' } },
      415,
      /is missing; expected application\/json$/,
    ],
    [
      'another content type',
      '/v1/completions',
      { headers: { 'content-type': 'text/plain' } },
      415,
      /^the content type is text\/plain;/,
    ],
    [
      'a body over the limit',
      '/v1/completions',
      { body: ' '.repeat(2 ** 20 + 1) },
      413,
      /^the body is larger than 1048576 bytes$/,
    ],
  ]
  for (const [name, path, options, status, message] of wrong)
    it(`${name} is ${status}`, () =>
      withServer(async ({ url }) => {
        const found = await post(url + path, body, options)
        assert.equal(found.status, status)
        assert.match(found.json.error.message, message)
        assert.deepEqual(Object.keys(found.json.error), ['message', 'type', 'param', 'code'])
        if (status === 405) assert.equal(found.headers.get('allow'), 'POST')
        // The server goes on.
        assert.equal((await post(`${url}/v1/completions`, body)).status, 200)
      }))

  it('a body over the limit that names no length is 413 as soon as it is too long', () =>
    withServer(async ({ url }) => {
      const { port, hostname } = new URL(url)
      const socket = connect(Number(port), hostname)
      socket.write(
        'POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
      )
      const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`
      for (let i = 0; i < 17; i++) socket.write(chunk)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      assert.match(answer.toString(), /^HTTP\/1\.1 413 /)
      socket.destroy()
    }))

  it('keys: one of them lets in, none and others do not, and health needs none', () =>
    withServer(
      async ({ url }) => {
        const ask = (authorization?: string) =>
          post(`${url}/v1/completions`, body, {
            headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
          })
        for (const [header, status] of [
          ['Bearer one', 200],
          ['bearer two', 200],
          ['Bearer three and four', 200],
          ['Bearer three', 401],
          ['Bearer on', 401],
          ['Bearer', 401],
          ['Basic one', 401],
          [undefined, 401],
        ] as const) {
          const found = await ask(header)
          assert.equal(found.status, status, header)
          if (status === 401) assert.equal(found.json.error.type, 'authentication_error')
        }
        assert.equal((await fetch(`${url}/v1/models`)).status, 401)
        assert.equal((await fetch(`${url}/health`)).status, 200)
      },
      { apiKeys: ['one', 'two', 'three and four'] },
    ))

  it('a queue that is full sends away with a time to come again, and takes what comes after', () =>
    withServer(
      async ({ url, server }) => {
        const running = await fetch(`${url}/v1/completions`, { ...asJson, body: JSON.stringify(long) })
        const found = await post(`${url}/v1/completions`, body)
        assert.equal(found.status, 429)
        assert.equal(found.json.error.type, 'rate_limit_error')
        assert.match(found.headers.get('retry-after')!, /^[1-9]\d*$/)
        await running.body!.cancel()
        await idle(server)
        assert.equal((await post(`${url}/v1/completions`, body)).status, 200)
      },
      { limits: { ...limits, queueTokens: 4100 } },
    ))

  it('names the field of a body of millions of values that is wrong', () =>
    withServer(
      async ({ url }) => {
        const many = 2 ** 20
        const biases = Object.fromEntries(Array.from({ length: 2 ** 17 }, (_, i) => [i, 'a']))
        const fields = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`field${i}`, 1]))
        for (const [wrong, message, param] of [
          [{ prompt: Array(many).fill({}) }, /^prompt: expected a text, a list of texts/, 'prompt'],
          [{ prompt: [...Array(many).fill(1), 'a'] }, /^prompt: expected a text, a list of texts/, 'prompt'],
          [{ ...body, logit_bias: biases }, /^logit_bias.0: expected an object of numbers/, 'logit_bias.0'],
          [{ ...body, ...fields }, /^unknown field field0$/, 'field0'],
          [
            { ...body, logit_bias: { 1: 2, constructor: 'a' } },
            /^logit_bias.constructor: /,
            'logit_bias.constructor',
          ],
        ] as const) {
          const { status, json } = await post(`${url}/v1/completions`, wrong)
          assert.match(json.error.message, message)
          assert.deepEqual([status, json.error.param], [400, param])
        }
        const levels = 100_000
        const deep = '['.repeat(levels) + ']'.repeat(levels)
        for (const [wrong, param] of [
          [`{"prompt": ${deep}}`, 'prompt'],
          [`{"prompt": "a", "metadata": ${deep}, "max_token": 1}`, 'max_token'],
        ] as const) {
          const { status, json } = await post(`${url}/v1/completions`, wrong)
          assert.deepEqual([status, json.error.param], [400, param])
        }
        const pair = { prompt: 'a', continuations: ['b'] }
        const asked = { requests: [...Array(100).fill(pair), { prompt: 'a' }] }
        const { json } = await post(`${url}/v1/loglikelihood`, asked)
        assert.equal(json.error.message, 'requests.100.continuations is missing')
      },
      { limits: { ...limits, bodyBytes: 2 ** 24 } },
    ))

  it('a path is found or not, however long it is and whatever is in it', () =>
    withServer(async ({ url }) => {
      for (const [path, status] of [
        ['/v1/models', 200],
        ['/v1/models?limit=5', 200],
        ['/v1/models/tiny', 200],
        ['/v1/models/%74iny', 200],
        ['/v1/models/', 404],
        ['/v1/models/%', 400],
        ['/v1/models/tiny/x', 404],
        ['/v1/constructor', 404],
        [`/${'a'.repeat(10_000)}/`, 404],
      ] as const)
        assert.equal((await fetch(url + path)).status, status, path.slice(0, 40))
      assert.equal((await fetch(`${url}/v1/models`, { method: 'HEAD' })).status, 200)
      assert.equal((await fetch(`${url}/v1/completions`, { method: 'HEAD' })).status, 405)
    }))

  it('says by the pace so far when the queue has room, and that a request never fits', () => {
    const admission = new Admission(1000)
    assert.throws(() => admission.enter(1001), { status: 413 })
    const leave = admission.enter(995)
    assert.throws(() => admission.enter(10), { status: 429, headers: { 'retry-after': '1' } })
    leave()
    leave()
    assert.equal(admission.tokens, 0)
    admission.enter(1000)
    assert.throws(() => admission.enter(1), { status: 429 })
  })

  it('a request whose answer would take too much memory is refused', () =>
    withServer(async ({ url }) => {
      const fields = { prompt: Array(30).fill('a'.repeat(2000)), max_tokens: 0, echo: true, logprobs: 20 }
      const found = await post(`${url}/v1/completions`, fields)
      assert.deepEqual([found.status, found.json.error.code], [413, 'request_too_large'])
    }))

  for (const [name, fields] of [
    ['streams', long],
    ['waits', { ...long, stream: false }],
  ] as const)
    it(`a client that goes while it ${name} leaves its place at once`, () =>
      withServer(async ({ url, server, logged }) => {
        const gone = new AbortController()
        const asked = fetch(`${url}/v1/completions`, {
          ...asJson,
          body: JSON.stringify(fields),
          signal: gone.signal,
        })
        if (fields.stream) await (await asked).body!.getReader().read()
        else await until(() => server.work.waitingTokens > 0)
        gone.abort()
        await asked.catch(() => {})
        await idle(server)
        await until(() => logged.length > 0)
        assert.equal(logged[0]!.status, 499)
        const abandoned = logged[0]!.abandonedTokens as number
        assert.ok(fields.stream ? abandoned > 3 : abandoned >= 0, `${abandoned} tokens`)
        assert.equal(await metric(url, 'mt_llama_abandoned_tokens_total'), abandoned)
      }))

  it('counts what was run of scores for a client that goes', () =>
    withServer(async ({ url, server, model, logged }) => {
      const gone = new AbortController()
      const { score } = model
      // The client goes once a pack is done.
      model.score = ((requests: ScoreRequest[], options: ScoreOptions) =>
        score.call(model, requests, {
          ...options,
          onProgress: progress => {
            options.onProgress!(progress)
            if (progress.tokensDone > 0) gone.abort()
          },
        })) as Model['score']
      const requests = Array.from({ length: 90 }, (_, i) => ({
        prompt: `${i} ${'a'.repeat(1500)}`,
        continuations: ['b'],
      }))
      const asked = fetch(`${url}/v1/loglikelihood`, {
        ...asJson,
        body: JSON.stringify({ requests }),
        signal: gone.signal,
      })
      await assert.rejects(asked)
      await idle(server)
      await until(() => logged.length > 0)
      const { status, abandonedTokens, promptTokens } = logged[0]!
      assert.deepEqual([status, promptTokens], [499, undefined])
      assert.ok((abandonedTokens as number) > 0)
      assert.equal(await metric(url, 'mt_llama_abandoned_tokens_total'), abandonedTokens)
      assert.equal(await metric(url, 'mt_llama_tokens_total{kind="prompt"}'), 0)
    }))

  it('an answer that nobody takes is dropped', () =>
    withServer(
      async ({ url, model, logged }) => {
        const [some] = await model.generate(['Hi'], { maxTokens: 1 })
        // More than the sockets' buffers hold.
        model.generateTold = async () => [{ ...some!, text: 'x'.repeat(2 ** 25) }]
        const { port, hostname } = new URL(url)
        const text = JSON.stringify(body)
        const socket = connect(Number(port), hostname)
        socket.write(
          `POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
        )
        await until(() => logged.length > 0)
        assert.equal(logged[0]!.status, 499)
        socket.destroy()
      },
      { limits: { ...limits, idleMs: 100 } },
    ))

  it('drains: health says so, new requests are sent away, those that run end', () =>
    withServer(async ({ url, server }) => {
      const short = { ...long, max_tokens: 200 }
      const running = await fetch(`${url}/v1/completions`, { ...asJson, body: JSON.stringify(short) })
      // A connection that is open already: the server takes no new ones.
      const { port, hostname } = new URL(url)
      const open = connect(Number(port), hostname)
      open.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /v1/mod')
      await once(open, 'data')
      const closed = server.close()
      open.write('els HTTP/1.1\r\nHost: a\r\n\r\n')
      const [answer] = (await once(open, 'data')) as [Buffer]
      assert.match(answer.toString(), /^HTTP\/1\.1 503 [\s\S]*the server is stopping/)
      assert.match(await running.text(), /data: \[DONE\]\n\n$/)
      await closed
      await assert.rejects(fetch(`${url}/health`))
    }))

  it('gives up what runs when it is told to close at once', () =>
    withServer(async ({ url, server }) => {
      const running = await fetch(`${url}/v1/completions`, { ...asJson, body: JSON.stringify(long) })
      await server.close(AbortSignal.abort())
      await assert.rejects(running.text())
    }))

  it('logs a line a request, without prompts, texts and paths', () =>
    withServer(async ({ url, logged }) => {
      await post(`${url}/v1/completions`, { ...body, prompt: 'secret words' })
      await post(`${url}/v1/completions`, { ...body, prompt: 'secret words', secret: 1 })
      await until(() => logged.length === 2)
      const [good, bad] = logged
      assert.equal(good!.route, '/v1/completions')
      assert.deepEqual([good!.status, good!.promptTokens, good!.completionTokens], [200, 13, 2])
      assert.equal(bad!.status, 400)
      assert.doesNotMatch(JSON.stringify(logged), /secret|model\//)
    }))

  it('answers an error of its own with no more than that there was one, and logs its message where asked', async () => {
    for (const logsDetails of [false, true])
      await withServer(
        async ({ url, model, logged }) => {
          model.generateTold = () => Promise.reject(new Error('in /secret/path'))
          const found = await post(`${url}/v1/completions`, body)
          assert.equal(found.status, 500)
          assert.deepEqual(found.json, {
            error: { message: 'internal error', type: 'server_error', param: null, code: null },
          })
          await until(() => logged.length > 0)
          assert.equal(/secret/.test(JSON.stringify(logged)), logsDetails)
        },
        { logsDetails },
      )
  })

  it('an error after the first piece of a stream ends it with the error as an event', () =>
    withServer(async ({ url, model, logged }) => {
      const { generateTold } = model
      model.generateTold = async (prompts, options, how) => {
        await generateTold.call(model, prompts, options, how)
        throw new Error('late')
      }
      const response = await fetch(`${url}/v1/completions`, {
        ...asJson,
        body: JSON.stringify({ ...body, stream: true }),
      })
      assert.match(
        await response.text(),
        /data: \{"error":\{"message":"internal error".*\}\n\ndata: \[DONE\]\n\n$/,
      )
      await until(() => logged.length > 0)
      assert.deepEqual([logged[0]!.status, logged[0]!.level], [200, 50])
    }))

  it('counts for Prometheus', () =>
    withServer(async ({ url }) => {
      await post(`${url}/v1/completions`, body)
      await post(`${url}/v1/completions`, { ...body, prompt: 5 })
      const text = await (await fetch(`${url}/metrics`)).text()
      for (const line of [
        'mt_llama_requests_total{route="/v1/completions",status="200"} 1',
        'mt_llama_requests_total{route="/v1/completions",status="400"} 1',
        'mt_llama_tokens_total{kind="prompt"} 3',
        'mt_llama_tokens_total{kind="completion"} 2',
        'mt_llama_first_token_seconds_count{route="/v1/completions"} 1',
        'mt_llama_queue_tokens 0',
        'mt_llama_pack_packs_total{kind="generation"} 2',
        'mt_llama_pack_used_total{kind="generation"} 2',
        'mt_llama_pack_room_total{kind="generation"} 128',
      ])
        assert.ok(text.includes(`${line}\n`), line)
    }))

  it('lets web pages of one origin call where it was asked to, and no others otherwise', async () => {
    const preflight: RequestInit = {
      method: 'OPTIONS',
      headers: { origin: 'http://page', 'access-control-request-method': 'POST' },
    }
    await withServer(
      async ({ url }) => {
        const found = await fetch(`${url}/v1/completions`, preflight)
        assert.equal(found.status, 204)
        assert.equal(found.headers.get('access-control-allow-origin'), 'http://page')
      },
      { corsOrigin: 'http://page', apiKeys: ['key'] },
    )
    await withServer(async ({ url }) => {
      const found = await fetch(`${url}/v1/completions`, preflight)
      assert.equal(found.status, 405)
      assert.equal(found.headers.get('access-control-allow-origin'), null)
    })
  })

  it('describes its routes: every one is in the document, with the schemas that requests are checked by', () =>
    withServer(async ({ url }) => {
      // biome-ignore lint/suspicious/noExplicitAny: the document is of any kind
      const document = (await (await fetch(`${url}/openapi.json`)).json()) as any
      const described = Object.entries(document.paths).flatMap(([path, methods]) =>
        Object.keys(methods as object).map(method => `${method.toUpperCase()} ${path}`),
      )
      const served = routes.flatMap(({ method, path, aliases = [] }) =>
        [path, ...aliases].map(one => `${method} ${one}`),
      )
      assert.deepEqual(described.sort(), served.sort())
      for (const { method, path, body, answer } of routes) {
        const operation = document.paths[path][method.toLowerCase()]
        const asJson = (schema: object | undefined) => schema && JSON.parse(JSON.stringify(schema))
        const given = operation.requestBody?.content['application/json'].schema
        assert.ok(isDeepStrictEqual(given, asJson(body)), path)
        const answered = operation.responses[200].content['application/json']?.schema
        assert.ok(isDeepStrictEqual(answered, asJson(answer)), path)
        // A path in the document is a path that the server has.
        const found = await fetch(url + path.replace('{name}', 'tiny'), { method })
        assert.notEqual(found.status, 404)
        await found.body?.cancel()
      }
    }))
})

const asJson: RequestInit = { method: 'POST', headers: { 'content-type': 'application/json' } }

/** Until no request has a place in the queue any more. */
function idle(server: { work: { waitingTokens: number } }): Promise<void> {
  return until(() => server.work.waitingTokens === 0)
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 5))
}
