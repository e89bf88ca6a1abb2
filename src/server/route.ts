// What a route is: where it is, what it takes and gives, and what answers it.
import type { IncomingMessage } from 'node:http'
import type { Model } from '../model.ts'
import type { Admission } from './admission.ts'
import type { BodyRoom } from './body-room.ts'
import type { Subject } from './http-error.ts'
import type { Metrics } from './metrics.ts'
import type { Static, TObject, TSchema } from './schema.ts'

/** What all requests share. */
export interface App {
  model: Model
  /** What the model is called in requests and answers. */
  modelName: string
  /** When the server has started, in seconds since 1970. */
  created: number
  admission: Admission
  bodies: BodyRoom
  metrics: Metrics
  limits: Limits
  isDraining(): boolean
}

export interface Limits {
  /** Bytes of a body that is read as a whole. */
  bodyBytes: number
  /** Prompts, texts or documents of a request. */
  prompts: number
  /** Tokens of requests that are not answered yet. */
  queueTokens: number
  /** Time in ms in which a body has to be there, its next piece where it is streamed, and an answer's next piece taken. */
  idleMs: number
}

/** One request. */
export interface Call {
  id: string
  app: App
  request: IncomingMessage
  /** Fires when the client has gone. */
  signal: AbortSignal
  /** What the log says of it beside what it says of each. */
  counted: Partial<Record<'promptTokens' | 'completionTokens' | 'requests' | 'abandonedTokens', number>>
  /**
   * Takes the request's place in the queue, which it has until its answer is sent or its client has gone: an answer that waits to be
   * taken is memory too. @throws 413, 429; ABORTED where the client has gone already
   */
  enter(tokens: number): void
  /** Counts bytes of the body, which count until then too. @throws 429 */
  holdBody(bytes: number): void
  /** Tells of an error of the server's own that a part of the answer holds: the log has the first of them. */
  partFailed(error: unknown): void
  /** Options of a call of the model: it ends where the client goes, and what it runs is counted. */
  work(): { signal: AbortSignal; onProgress: (progress: { tokensDone: number }) => void }
  /** To be called as the first piece of an answer is known. */
  firstToken(): void
}

export interface JsonAnswer {
  json: object
  status?: number
}
export interface TextAnswer {
  text: string
  type: string
}
/** Pieces that are sent as they come. What fails before the first one is answered as an error. */
export interface StreamAnswer {
  pieces: AsyncIterable<string>
  type: 'text/event-stream' | 'application/x-ndjson'
  /** How an error is told once pieces are on their way. */
  failed: (error: object) => string
}
export type Answer = JsonAnswer | TextAnswer | StreamAnswer

/** How a route takes a body of lines, which is read as it comes. */
export interface Lines {
  /** The options, which stand in the query. */
  query: TObject
  /** @param options as `query` describes them */
  handle: (options: unknown, call: Call) => Answer | Promise<Answer>
}

export interface Route {
  method: 'GET' | 'POST'
  path: string
  /** Other paths of the same. */
  aliases?: readonly string[]
  summary: string
  /** What the body has to be. */
  body?: TSchema
  /** What a JSON answer is. */
  answer?: TSchema
  /** What else it may answer with. */
  types?: readonly string[]
  /** No key is needed, and it answers while the server drains. */
  isOpen?: boolean
  lines?: Lines
  /** What an error of the model's is about, where handle() does not say so. */
  subject?: Subject
  /** @param body as `body` describes it */
  handle: (body: unknown, call: Call) => Answer | Promise<Answer>
}

/** A route whose body has the type that its schema says. */
export function post<Body extends TSchema>(
  route: Omit<Route, 'method' | 'handle' | 'body'> & {
    body: Body
    handle: (body: Static<Body>, call: Call) => Answer | Promise<Answer>
  },
): Route {
  return { ...route, method: 'POST', handle: (body, call) => route.handle(body as Static<Body>, call) }
}

/** A body of lines whose options have the type that their schema says. */
export function lines<Query extends TObject>(
  query: Query,
  handle: (options: Static<Query>, call: Call) => Answer | Promise<Answer>,
): Lines {
  return { query, handle: (options, call) => handle(options as Static<Query>, call) }
}

export function get(route: Omit<Route, 'method' | 'body' | 'lines'>): Route {
  return { ...route, method: 'GET' }
}
