// Serves a model in this process while a test runs.
import { pino } from 'pino'
import { loadModel, type Model } from '../src/index.ts'
import { LlamaServer, type ServeOptions } from '../src/server/server.ts'
import { defaultModel } from './tiny-model.ts'

export const silent = pino({ level: 'silent' })

export const limits = { bodyBytes: 1 << 20, prompts: 64, queueTokens: 100_000, idleMs: 30_000 }

/** Serves a model, the embedded default unless `path` names another, on a free port. */
export async function withServer<T>(
  { path = defaultModel, ...options }: Partial<ServeOptions> & { path?: string },
  body: (url: string, model: Model) => Promise<T>,
): Promise<T> {
  await using model = await loadModel(path)
  const server = new LlamaServer(model, {
    ...{ host: '127.0.0.1', port: 0, apiKeys: [], corsOrigin: undefined },
    ...{ modelName: 'tiny', limits, log: silent, logsDetails: false },
    ...options,
  })
  const url = await server.listen()
  try {
    return await body(url, model)
  } finally {
    await server.close(AbortSignal.abort())
  }
}

/** A figure of GET /metrics. */
export async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const line = text.split('\n').find(line => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  return Number(line?.split(' ').at(-1))
}
