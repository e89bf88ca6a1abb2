// POST /v1/loglikelihood with lines: results to the bit as score() gives them, in order, a bounded number of lines ahead.
import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Model, ScoreOptions, ScoreRequest } from '../src/index.ts'
import { scoredLines } from '../src/server/scored-lines.ts'
import { type Json, ServedModel, serveModel } from './server-model-run.ts'

const path = '/v1/loglikelihood'
const lineOf = (request: unknown) => `${JSON.stringify(request)}\n`
const aheadOf = (answer: AsyncIterable<string>) => answer[Symbol.asyncIterator]()

describe('lines of /v1/loglikelihood', () => {
  let model: Model
  let served: ServedModel
  serveModel((server, loaded) => {
    served = server
    model = loaded
  })
  async function expected(requests: ScoreRequest[], options: ScoreOptions = {}): Promise<Json[]> {
    const results = await model.score(requests, options)
    return results.map(({ continuations, truncatedTokens, skipped }, index) => ({
      index,
      continuations: continuations.map(({ logLikelihood, isGreedy, tokens, tokenLogProbs }) => ({
        ...{ log_likelihood: logLikelihood, is_greedy: isGreedy, tokens, token_logprobs: tokenLogProbs },
      })),
      ...{ truncated_tokens: truncatedTokens, skipped },
    }))
  }
  /** Until nothing waits any more. */
  async function isEmpty(): Promise<void> {
    while ((await served.queueTokens()) > 0) await nextTurn()
  }

  it('answers 5,000 lines as score() does, in their order, while they come', async () => {
    const requests = Array.from({ length: 5000 }, (_, i) => ({
      prompt: `Number ${i % 700}, `,
      continuations: [`is ${i}`, ' is odd'].slice(0, 1 + (i % 2)),
    }))
    const asked = served.lines(`${path}?boundary=harness`)
    const writing = (async () => {
      for (const request of requests) if (!asked.write(lineOf(request))) await once(asked, 'drain')
      asked.end()
    })()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    const lines: Json[] = []
    for await (const line of createInterface(answer)) lines.push(JSON.parse(line))
    await writing
    assert.deepEqual(lines, await expected(requests, { boundary: 'harness' }))
    const { requests: count, promptTokens, status } = served.logged.at(-1)!
    assert.deepEqual({ count, status }, { count: 5000, status: 200 })
    // BOS and the prompt without its space, which 'harness' scores with each continuation.
    const tokens = requests.map(({ prompt, continuations }) =>
      continuations.reduce((sum, { length }) => sum + 1 + length, prompt.length),
    )
    assert.equal(
      promptTokens,
      tokens.reduce((sum, own) => sum + own),
    )
    await isEmpty()
  })

  it('answers each line before the next one is there', async () => {
    const requests = ['a', 'b', 'c'].map(prompt => ({ prompt, continuations: ['x'] }))
    const asked = served.lines(path)
    asked.write(lineOf(requests[0]))
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    const answers = createInterface(answer)[Symbol.asyncIterator]()
    const lines: Json[] = []
    for (const request of [...requests.slice(1), undefined]) {
      lines.push(JSON.parse((await answers.next()).value))
      if (request) asked.write(lineOf(request))
    }
    asked.end()
    assert.ok((await answers.next()).done)
    assert.deepEqual(lines, await expected(requests))
  })

  it('makes a line that is wrong a line with its error, and goes on', async () => {
    const right = { prompt: 'a', continuations: ['x'] }
    const wrong: [line: string, error: Json][] = [
      ['{"prompt": ', { message: /^the line is no JSON/, code: 'invalid_json', param: null }],
      [lineOf({ ...right, prompts: 'b' }), { message: /^unknown field prompts$/, param: 'prompts' }],
      [lineOf({ prompt: 'a' }), { message: /^continuations is missing$/, param: 'continuations' }],
      [lineOf({ ...right, continuations: [] }), { message: /^continuations: expected a list/ }],
      [lineOf({ ...right, continuations: ['x', ''] }), { message: /^request 5, continuation 1 is empty/ }],
      [lineOf({ ...right, prompt: [999] }), { code: 'token_out_of_range', message: /^request 6, prompt/ }],
      [
        lineOf({ ...right, prompt: 'a'.repeat(3000) }),
        {
          code: 'context_length_exceeded',
          message: /2048 positions \(the last token needs none\)\. Shorten it$/,
        },
      ],
      ['7', { message: /^the body: /, param: null }],
    ]
    const body = [lineOf(right), ...wrong.map(([line]) => `${line.trim()}\n`), '\n', lineOf(right)].join('')
    const { status, lines } = await served.answerTo(path, body)
    assert.equal(status, 200)
    const [want] = await expected([right])
    assert.deepEqual(lines[0], want)
    assert.deepEqual(lines.at(-1), { ...want, index: wrong.length + 1 })
    for (const [i, [, { message, ...fields }]] of wrong.entries()) {
      const { index, error, ...rest } = lines[i + 1]
      assert.deepEqual([index, rest, error.type], [i + 1, {}, 'invalid_request_error'])
      assert.match(error.message, message)
      for (const [name, value] of Object.entries(fields)) assert.equal(error[name], value, error.message)
    }
    await isEmpty()
  })

  it('refuses options that are wrong before a line is read', async () => {
    const right = lineOf({ prompt: 'a', continuations: ['x'] })
    for (const [query, status, message, param] of [
      ['?boundry=harness', 400, 'unknown field boundry', 'boundry'],
      ['?__proto__=1', 400, 'unknown field __proto__', '__proto__'],
      ['?boundary=both', 400, "boundary: expected 'joint', 'harness' or 'separate'", 'boundary'],
      ['?top_k=many', 400, 'top_k: expected 0 to 20', 'top_k'],
      ['?top_k=21', 400, 'top_k: expected 0 to 20', 'top_k'],
      ['?top_k=1&top_k=2', 400, 'top_k is there twice', 'top_k'],
      ['?return_tokens=yes', 400, 'return_tokens: expected true or false', 'return_tokens'],
      ['?model=7', 404, 'there is no model "7"; this server has "tiny"', 'model'],
    ] as const) {
      const { status: found, lines } = await served.answerTo(path + query, right)
      assert.deepEqual([found, lines[0].error.message, lines[0].error.param], [status, message, param])
    }
    const json = await served.refused(`${path}?top_k=1`, {
      requests: [{ prompt: 'a', continuations: ['x'] }],
    })
    assert.deepEqual([json.status, json.param], [400, 'top_k'])
  })

  it('takes its options from the query', async () => {
    const request = { prompt: 'a', continuations: ['xy'] }
    const { lines } = await served.answerTo(
      `${path}?top_k=2&return_tokens=false&add_special_tokens=false&model=tiny`,
      lineOf(request),
    )
    const [{ continuations }] = (await model.score([request], { topK: 2, addBos: false })) as [Json]
    const { logLikelihood, isGreedy, topAlternatives } = continuations[0]
    assert.deepEqual(lines[0].continuations, [
      {
        ...{ log_likelihood: logLikelihood, is_greedy: isGreedy },
        top_logprobs: topAlternatives.map((best: Json) =>
          best.map(({ token, logProb }: Json) => ({ token, logprob: logProb })),
        ),
      },
    ])
  })

  it('has its options in the OpenAPI document, as parameters', async () => {
    const { paths } = (await (await fetch(`${served.url}/openapi.json`)).json()) as Json
    const { parameters, requestBody } = paths[path].post
    const { requests: _, ...fields } = requestBody.content['application/json'].schema.properties
    assert.deepEqual(parameters.map(({ name }: Json) => name).sort(), Object.keys(fields).sort())
  })

  // The text that all prompts are is run but once; read ahead it counts with each of them.
  const long = { prompt: 'a'.repeat(1000), continuations: ['x'] }

  it('reads a bounded number of lines ahead of its answers', async () => {
    let taken = 0
    let held = 0
    const source = (async function* () {
      for (let i = 0; i < 3000; i++) {
        taken++
        yield lineOf(long)
      }
    })()
    const answers = scoredLines({
      ...{ model, lines: source, options: {}, parse: async line => JSON.parse(line), show: () => ({}) },
      hold: tokens => {
        held += tokens
        return () => {
          held -= tokens
        }
      },
      onFailure: () => {},
    })
    // Two windows of 2^17 tokens may be ahead; a line counts for its 1,002 and 16 more.
    const most = Math.ceil((2 * 2 ** 17) / 1018) + 1
    let given = 0
    for (const iterator = aheadOf(answers); ; given++) {
      // The reader is slower than the source: that stands still before it takes the next one.
      for (let before = -1; given % 500 === 0 && before !== taken; before = taken)
        for (let turn = 0; turn < 20; turn++) await nextTurn()
      assert.ok(taken - given <= most, `${taken} lines taken, ${given} answered`)
      assert.ok(held <= most * 1002)
      if ((await iterator.next()).done) break
    }
    assert.deepEqual([given, taken, held], [3000, 3000, 0])
  })

  it('stops reading where the client does, takes no more in then, and frees the queue where it goes', async () => {
    const small = await ServedModel.start(model, { queueTokens: 100_000 })
    try {
      // An answer of 10 kB: what the sockets hold of them is far from all.
      const request = { ...long, continuations: ['0123456789'] }
      const asked = small.lines(`${path}?top_k=20`)
      for (let i = 0; i < 5000; i++) asked.write(lineOf(request))
      await once(asked, 'response')
      // Once the sockets are full, what is read ahead stays in the queue.
      let other = await small.post(path, { requests: [request] })
      while (other.status === 200) other = await small.post(path, { requests: [request] })
      assert.deepEqual([other.status, other.json.error.code], [429, 'queue_full'])
      while ((await small.answerTo(path, lineOf(request))).status === 200) await nextTurn()
      asked.destroy()
      while ((await small.queueTokens()) > 0) await nextTurn()
      const { requests } = small.logged.findLast(({ status }) => status === 499)!
      assert.ok((requests as number) < 3000, `${requests} lines taken`)
    } finally {
      await small.close()
    }
  })

  it('ends with an error where a line is longer than a body may be, after the answers before it', async () => {
    const small = await ServedModel.start(model, { bodyBytes: 100 })
    try {
      const request = { prompt: 'a', continuations: ['x'] }
      const { lines } = await small.answerTo(path, lineOf(request) + 'x'.repeat(2 ** 24))
      assert.deepEqual(lines[0], (await expected([request]))[0])
      assert.deepEqual(lines[1].error.message, 'a line is longer than 100 bytes')
      assert.equal(lines.length, 2)
    } finally {
      await small.close()
    }
  })

  it('ends its answer to a client that sends on once all has come', async () => {
    const small = await ServedModel.start(model, { bodyBytes: 100 })
    try {
      const asked = small.lines(path)
      asked.write(lineOf({ prompt: 'a', continuations: ['x'] }) + 'x'.repeat(1000))
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      let text = ''
      let hasEnded = false
      answer.on('data', chunk => {
        text += chunk
      })
      answer.on('end', () => {
        hasEnded = true
      })
      const begin = performance.now()
      while (performance.now() < begin + 1000) {
        asked.write('x')
        await nextTurn()
      }
      assert.match(text, /a line is longer than 100 bytes/)
      assert.ok(!hasEnded)
      asked.end()
      await once(answer, 'end')
    } finally {
      await small.close()
    }
  })

  it('ends with an error where no line comes for too long', async () => {
    const hasty = await ServedModel.start(model, { idleMs: 500 })
    try {
      const request = { prompt: 'a', continuations: ['x'] }
      const asked = hasty.lines(path)
      asked.write(lineOf(request))
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      const lines: Json[] = []
      for await (const line of createInterface(answer)) lines.push(JSON.parse(line))
      assert.deepEqual(lines[0], (await expected([request]))[0])
      assert.deepEqual(
        lines.slice(1).map(({ error }) => error.message),
        ['no line came in 500 ms'],
      )
      // Its connection ends too: nobody reads the rest.
      if (!asked.closed) await once(asked, 'close')
    } finally {
      await hasty.close()
    }
  })
})
