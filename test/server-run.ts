// Runs a server in this process for a test, on a free port, and asks it.
import { pino } from 'pino'
import { loadModel, type Model } from '../src/index.ts'
import type { Limits } from '../src/server/route.ts'
import { LlamaServer, type ServeOptions } from '../src/server/server.ts'
import { defaultModel } from './tiny-model.ts'

export const limits: Limits = { bodyBytes: 2 ** 20, prompts: 100, queueTokens: 1e6, idleMs: 60_000 }

export interface Running {
  model: Model
  server: LlamaServer
  url: string
  /** Lines of the log so far, as objects. */
  logged: Record<string, unknown>[]
}

/** @param options where they differ from those of `mt-llama serve` by default */
export async function startServer(model: Model, options: Partial<ServeOptions> = {}): Promise<Running> {
  const logged: Record<string, unknown>[] = []
  const log = pino({ level: 'info' }, { write: line => void logged.push(JSON.parse(line)) })
  const server = new LlamaServer(model, {
    ...{ host: '127.0.0.1', port: 0, apiKeys: [], corsOrigin: undefined, modelName: 'tiny' },
    ...{ limits, log, logsDetails: false, ...options },
  })
  return { model, server, url: await server.listen(), logged }
}

/** startServer() of a model that is loaded for it, for the time of a test. */
export async function withServer<Result>(
  body: (running: Running) => Promise<Result>,
  { path = defaultModel, ...options }: Partial<ServeOptions> & { path?: string } = {},
): Promise<Result> {
  await using model = await loadModel(path, { dtype: 'float32' })
  const running = await startServer(model, options)
  try {
    return await body(running)
  } finally {
    await running.server.close(AbortSignal.abort())
  }
}

export interface Answered {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: an answer is of any kind
  json: any
}

export async function post(url: string, body: unknown, options: RequestInit = {}): Promise<Answered> {
  const response = await fetch(url, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    ...options,
  })
  return { status: response.status, headers: response.headers, json: await response.json() }
}

/** The events of a stream but the last, [DONE], which has to be there. */
// biome-ignore lint/suspicious/noExplicitAny: an event is of any kind
export async function events(url: string, body: object): Promise<any[]> {
  const response = await fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  })
  const all = (await response.text()).split('\n\n')
  const last = all.splice(-2)
  if (last[0] !== 'data: [DONE]' || last[1] !== '') throw new Error(`the stream ends with ${last}`)
  return all.map(event => JSON.parse(event.replace(/^data: /, '')))
}

/** A figure of GET /metrics. */
export async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const line = text.split('\n').find(line => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  return Number(line?.split(' ').at(-1))
}
