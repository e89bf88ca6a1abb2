// A server that several tests share, with their model, and how they ask its routes.
import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { Value } from 'typebox/value'
import { loadModel, type Model } from '../src/index.ts'
import type { Limits, Route } from '../src/server/route.ts'
import { errorBody } from '../src/server/schemas.ts'
import type { LlamaServer } from '../src/server/server.ts'
import { limits, metric, post, type Running, startServer } from './server-run.ts'
import { defaultModel } from './tiny-model.ts'

/** Of any type: tests look at what it is. */
export type Json = ReturnType<typeof JSON.parse>

export interface ErrorFields {
  message: string
  type: string
  param: string | null
  code: string | null
}

export class ServedModel {
  readonly url: string
  /** Lines of the server's log. */
  readonly logged: Record<string, unknown>[]
  private readonly server: LlamaServer

  private constructor({ server, url, logged }: Running) {
    this.server = server
    this.url = url
    this.logged = logged
  }

  /** The model is the caller's to dispose of. */
  static async start(model: Model, own: Partial<Limits> = {}): Promise<ServedModel> {
    return new ServedModel(
      await startServer(model, { limits: { ...limits, prompts: 64, ...own }, logsDetails: true }),
    )
  }

  /** Ends what still runs. */
  close(): Promise<void> {
    return this.server.close(AbortSignal.abort())
  }

  post(path: string, body: unknown): Promise<{ status: number; json: Json }> {
    return post(this.url + path, body)
  }

  /** The answer of a route, which has to be what its schema says. */
  async ask({ path, answer }: Route, body: unknown, asked = path): Promise<Json> {
    const { status, json } = await this.post(asked, body)
    assert.equal(status, 200, JSON.stringify(json))
    assert.deepEqual(Value.Errors(answer!, json), [])
    return json
  }

  /** The error of a request that is to be refused. */
  async refused(path: string, body: unknown): Promise<{ status: number } & ErrorFields> {
    const { status, json } = await this.post(path, body)
    assert.deepEqual(Value.Errors(errorBody, json), [], JSON.stringify(json))
    return { status, ...json.error }
  }

  /** A request whose body is written line by line. */
  lines(path: string): ClientRequest {
    const asked = request(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
    })
    // Tests end requests on either side.
    asked.on('error', () => {})
    return asked
  }

  /** What such a request is answered with, once all of the body is there. */
  async answerTo(path: string, body: string): Promise<{ status: number; lines: Json[] }> {
    const asked = this.lines(path)
    asked.end(body)
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of answer) chunks.push(chunk)
    // A connection that is cut while its request is being sent is an uncaught error of Node's.
    if (!asked.closed) await once(asked, 'close')
    const text = Buffer.concat(chunks).toString()
    const lines = text.split('\n').filter(line => line !== '')
    return { status: answer.statusCode!, lines: lines.map(line => JSON.parse(line)) }
  }

  /** Tokens of requests that are not answered yet. */
  queueTokens(): Promise<number> {
    return metric(this.url, 'mt_llama_queue_tokens')
  }
}

/**
 * Serves a model to all tests of the describe() in which this is called.
 * @param use is given both before the first test
 * @param load may skip the tests. @default the embedded model
 */
export function serveModel(
  use: (served: ServedModel, model: Model) => void,
  load: (context: Mocha.Context) => Promise<Model> = () => loadModel(defaultModel, { dtype: 'float32' }),
): void {
  let model: Model | undefined
  let served: ServedModel | undefined
  before(async function () {
    model = await load(this)
    served = await ServedModel.start(model)
    use(served, model)
  })
  after(async () => {
    await served?.close()
    await model?.dispose()
  })
}
