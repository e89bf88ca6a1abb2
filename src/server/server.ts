// The HTTP server: takes requests to their routes, answers errors, counts and logs, and drains before it ends.
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { MtLlamaError } from '../errors.ts'
import type { Model } from '../model.ts'
import { abortedError } from '../native/job.ts'
import { Admission, type Leave } from './admission.ts'
import { send, sendError, writeError } from './answer.ts'
import { readJson } from './body.ts'
import { BodyRoom } from './body-room.ts'
import { allowOrigin } from './cors.ts'
import { HttpError, toHttpError } from './http-error.ts'
import { checkKey } from './key.ts'
import { isLines } from './lines.ts'
import { answerRaw, malformed } from './malformed.ts'
import { Metrics } from './metrics.ts'
import { openApi } from './open-api.ts'
import { refuseQuery } from './query.ts'
import { discardRest, lingerMs } from './rest-of-body.ts'
import type { App, Call, Limits } from './route.ts'
import { get } from './route.ts'
import { Router, type ServedRoute } from './router.ts'
import { routes } from './routes.ts'

export interface ServeOptions {
  host: string
  /** 0 takes one that is free. */
  port: number
  /** Those that may call have one of them; with none all may. */
  apiKeys: readonly string[]
  /** The web page's origin that browsers may call from, '*' for all; undefined: none. */
  corsOrigin: string | undefined
  modelName: string
  limits: Limits
  log: Logger
  /** Whether messages of errors, which may hold paths, and paths of code are logged. */
  logsDetails: boolean
}

/** Time in which a request's header has to be there, in ms, where that for a body is not less. */
const headerTimeout = 20_000
/** Time between two looks for headers that are late, in ms. */
const headerCheck = 1000
/** How long a connection without a request stays open, in ms: longer than proxies do, so that they close it. */
const keepAlive = 65_000

/** A request that is not answered yet. */
interface OpenRequest {
  request: IncomingMessage
  response: ServerResponse
  /** @param status where it is not that of the response */
  end(status?: number): void
}

/** What is counted and logged of a request. */
interface Ended extends Pick<Call, 'id' | 'counted'> {
  method: string | undefined
  route: ServedRoute | undefined
  begin: number
  status: number
  failure?: unknown
}

export class LlamaServer {
  private readonly server: Server
  private readonly router: Router
  private readonly app: App
  private readonly options: ServeOptions
  private draining = false
  /** The open requests of each connection, which end as it closes: a response that waits for others is not told. */
  private readonly connections = new WeakMap<Socket, Set<OpenRequest>>()
  private readonly headerMs: number

  constructor(model: Model, options: ServeOptions) {
    this.options = options
    const admission = new Admission(options.limits.queueTokens)
    this.app = {
      ...{ model, modelName: options.modelName, created: Math.floor(Date.now() / 1000) },
      ...{ admission, metrics: new Metrics(model, admission) },
      ...{ bodies: new BodyRoom(options.limits), limits: options.limits },
      isDraining: () => this.draining,
    }
    const document = openApi(routes)
    const ownRoute = get({
      path: '/openapi.json',
      summary: 'This document',
      handle: () => ({ json: document }),
    })
    this.router = new Router([...routes, ownRoute])
    // A body that is streamed may take hours; what stands still is ended by the limits.
    this.headerMs = Math.min(headerTimeout, options.limits.idleMs)
    this.server = createServer({
      headersTimeout: this.headerMs,
      connectionsCheckingInterval: Math.min(headerCheck, this.headerMs),
      requestTimeout: 0,
      keepAliveTimeout: keepAlive,
      // Node would answer without a body.
      requireHostHeader: false,
    })
    this.server.on('connection', socket => {
      const open = new Set<OpenRequest>()
      this.connections.set(socket, open)
      socket.on('close', () => {
        for (const request of open) request.end()
      })
    })
    this.server.on('clientError', (error, socket) => this.refuseConnection(error, socket as Socket))
    this.server.on('request', (request, response) => void this.answer(request, response))
    // What a client expects and Node does not know, it would refuse without a body.
    this.server.on('checkExpectation', (request, response) => void this.answer(request, response))
  }

  /** Begins to listen. @returns where. @throws OUTPUT where the address cannot be had */
  listen(): Promise<string> {
    const { host, port } = this.options
    return new Promise((resolve, reject) => {
      const refuse = ({ code }: NodeJS.ErrnoException) => {
        const wayOut =
          code === 'EADDRINUSE'
            ? ' Another program has it; take another port, or 0 for one that is free.'
            : ''
        reject(new MtLlamaError('OUTPUT', `cannot listen on ${host}, port ${port}: ${code}.${wayOut}`))
      }
      this.server.once('error', refuse)
      this.server.listen(port, host, () => {
        this.server.off('error', refuse)
        const { address, port, family } = this.server.address() as AddressInfo
        resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${port}`)
      })
    })
  }

  /**
   * Takes no more requests, lets those that run end, and closes.
   * @param now ends them where they are
   */
  async close(now?: AbortSignal): Promise<void> {
    this.draining = true
    const giveUp = () => this.server.closeAllConnections()
    if (now?.aborted) giveUp()
    else now?.addEventListener('abort', giveUp, { once: true })
    await new Promise<void>(resolve => {
      this.server.close(() => resolve())
      this.server.closeIdleConnections()
    })
  }

  /** What it has to do. */
  get work(): { waitingTokens: number } {
    return { waitingTokens: this.app.admission.tokens }
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const begin = performance.now()
    const id = randomUUID()
    const gone = new AbortController()
    response.setHeader('x-request-id', id)
    let failure: unknown
    // An answer that is cut off says that it is finished too.
    let isWhole = false
    response.on('finish', () => {
      isWhole = !request.socket.destroyed
    })
    const leaves: Leave[] = []
    let bodyBytes = 0
    const onConnection = this.connections.get(request.socket)
    // What nginx logs where a client has closed the connection, or did not take the answer.
    const end = (status = isWhole ? response.statusCode : 499) => {
      if (gone.signal.aborted) return
      gone.abort()
      onConnection?.delete(open)
      for (const leave of leaves) leave(isWhole && failure === undefined)
      this.app.bodies.give(bodyBytes)
      if (status === 499) call.counted.abandonedTokens = tokensRun
      this.count({ id, counted: call.counted, method: request.method, route, begin, status, failure })
      // A connection whose answer began before the server drained is kept open otherwise.
      if (this.draining) setImmediate(() => this.server.closeIdleConnections())
    }
    const open: OpenRequest = { request, response, end }
    onConnection?.add(open)
    response.on('close', () => end())
    // The time that a connection has to take an answer may end within the next request on it, which is not to end then.
    let isAnswered = false
    response.on('timeout', () => {
      if (isAnswered) response.destroy()
    })
    let route: ServedRoute | undefined
    let isFirst = true
    let tokensRun = 0
    const call: Call = {
      ...{ id, app: this.app, request, signal: gone.signal, counted: {} },
      enter: tokens => {
        if (gone.signal.aborted) throw abortedError(gone.signal)
        leaves.push(this.app.admission.enter(tokens))
      },
      holdBody: bytes => {
        this.app.bodies.take(bytes)
        bodyBytes += bytes
      },
      work: () => {
        let known = 0
        const onProgress = ({ tokensDone }: { tokensDone: number }) => {
          tokensRun += tokensDone - known
          known = tokensDone
        }
        return { signal: gone.signal, onProgress }
      },
      partFailed: error => {
        failure ??= error
      },
      firstToken: () => {
        if (isFirst) this.app.metrics.firstToken.observe({ route: route!.path }, secondsSince(begin))
        isFirst = false
      },
    }
    try {
      if (allowOrigin(request, response, this.options.corsOrigin)) return
      // A client that is being answered may ask again on its connection; one that drains takes no more there.
      if (this.draining) response.setHeader('connection', 'close')
      checkHeader(request)
      route = this.router.find(request.method ?? '', pathOf(request))
      if (!route.isOpen) this.checkOpen(request)
      await this.run(route, call, response)
    } catch (error) {
      failure = error
      // What came with the header is read by then, such as the end of a request without a body.
      if (!request.complete) await nextTurn()
      if (!response.headersSent && !gone.signal.aborted)
        refuse(request, response, toHttpError(error, route?.subject), this.app.limits)
      else if (!request.socket.writableEnded) response.destroy()
    } finally {
      // An answer that nobody takes is not held for ever.
      isAnswered = true
      if (!response.writableFinished) response.setTimeout(this.app.limits.idleMs)
    }
  }

  /** Answers what is no HTTP, where the client would not take that for the answer to an earlier request. */
  private refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
    // More of what was refused.
    if (socket.writableEnded) return
    const refusal = malformed(error, this.headerMs)
    const open = [...(this.connections.get(socket) ?? [])]
    const isOwed = open.some(({ request, response }) => request.complete || response.headersSent)
    const hasLeft = error.code === 'HPE_INVALID_EOF_STATE' && open.length > 0
    if (!refusal || !socket.writable || isOwed || hasLeft) {
      socket.destroy()
      return
    }
    const id = randomUUID()
    answerRaw(socket, refusal, id, lingerMs(this.options.limits))
    // It was the body of a request that could not be read on.
    for (const { end } of open) end(refusal.status)
    if (open.length > 0) return
    const begin = performance.now()
    const none = { method: undefined, route: undefined }
    this.count({ id, ...none, begin, status: refusal.status, counted: {} })
  }

  /** @throws 401, 503 while it drains */
  private checkOpen({ headers }: IncomingMessage): void {
    checkKey(this.options.apiKeys, headers.authorization)
    if (this.draining) throw new HttpError(503, 'the server is stopping', { headers: { 'retry-after': '5' } })
  }

  private async run(route: ServedRoute, call: Call, response: ServerResponse): Promise<void> {
    const { request } = call
    if (route.lines && isLines(request)) {
      const options = route.readOptions(queryOf(request))
      return send(response, await route.lines.handle(options, call), call)
    }
    if (route.lines) refuseQuery(queryOf(request))
    const body = route.body ? route.check(await readJson(call)) : undefined
    return send(response, await route.handle(body, call), call)
  }

  private count({ id, counted, method, route, begin, status, failure }: Ended): void {
    const { metrics } = this.app
    const path = route?.path ?? 'none'
    metrics.requests.inc({ route: path, status })
    metrics.duration.observe({ route: path }, secondsSince(begin))
    metrics.tokens.inc({ kind: 'prompt' }, counted.promptTokens ?? 0)
    metrics.tokens.inc({ kind: 'completion' }, counted.completionTokens ?? 0)
    metrics.abandonedTokens.inc(counted.abandonedTokens ?? 0)
    const ms = Math.round(performance.now() - begin)
    const line = { id, method, route: path, status, ms, ...counted }
    const { log } = this.options
    // A stream that fails has its status sent already; that the server drains is no failure of it.
    const hasFailed = failure !== undefined && (status >= 500 || status === 200)
    if (hasFailed) log.error({ ...line, ...this.detailsOf(failure) })
    else log.info(line)
  }

  private detailsOf(error: unknown): object {
    const code = error instanceof MtLlamaError ? error.code : undefined
    if (!this.options.logsDetails) return { code }
    return error instanceof Error ? { code, message: error.message, stack: error.stack } : { code }
  }
}

/** Answers with an error; a client that still sends its body reads the answer after that. */
function refuse(request: IncomingMessage, response: ServerResponse, error: HttpError, limits: Limits): void {
  if (request.complete) {
    sendError(response, error)
    return
  }
  response.setHeader('connection', 'close')
  request.on('end', () => response.end())
  writeError(response, error)
  discardRest(request, limits)
}

/** @throws 400, 417 */
function checkHeader({ httpVersion, headers: { host, expect } }: IncomingMessage): void {
  const closing = { headers: { connection: 'close' } }
  if (httpVersion === '1.1' && host === undefined)
    throw new HttpError(400, 'the header has no Host', { code: 'invalid_http', ...closing })
  if (expect !== undefined && expect.toLowerCase() !== '100-continue')
    throw new HttpError(417, 'the header has an Expect other than 100-continue', closing)
}

function pathOf({ url = '/' }: IncomingMessage): string {
  const [path] = url.split('?')
  return path!
}

function queryOf({ url = '/' }: IncomingMessage): URLSearchParams {
  const begin = url.indexOf('?')
  return new URLSearchParams(begin < 0 ? '' : url.slice(begin))
}

function secondsSince(begin: number): number {
  return (performance.now() - begin) / 1000
}
