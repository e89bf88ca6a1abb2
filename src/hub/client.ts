// Asks the hub over HTTP: with the token, again where that may help, and with every refusal in words for people.
import { setTimeout as delay } from 'node:timers/promises'
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { type ErrorCode, MtLlamaError } from '../errors.ts'
import { type Repo, repoName } from './repo.ts'
import type { HubSettings } from './settings.ts'

/** What a request is about, for messages. */
export interface Subject {
  repo: Repo
  /** The file or folder asked for; undefined where the request is about the repository. */
  path?: string
  /** What to do where the hub does not have it. */
  advice?: string
}

/** What is done with an answer. `advanced` is called whenever bytes of use have come: a failure after it counts as the first. */
export type Use<T> = (answer: Answer, advanced: () => void) => Promise<T>

export interface Answer {
  status: number
  headers: Headers
  /** The bytes, as they come. Ends with an error that makes the request be sent again where the connection breaks. */
  chunks(): AsyncGenerator<Uint8Array>
}

export interface HubClientOptions {
  signal?: AbortSignal | undefined
  /** Called before a wait for another attempt, with the reason. */
  onRetry?: ((reason: string, seconds: number) => void) | undefined
  /** The wait in ms before the first repetition; each further one waits twice as long. @default 1000 */
  delayMs?: number | undefined
}

/** Repetitions of a request after failures that may pass: with the doubling waits, half a minute. */
const maxRepetitions = 5

/** Repetitions while nothing has ever been answered: most often there is no network at all. */
const maxFirstRepetitions = 2

/** The longest wait in ms that a server may ask for; beyond it, people are told instead. */
const maxWaitMs = 10 * 60_000

/** A page of a listing, or what is said of a repository, is a few MiB at the most. */
const maxJsonBytes = 64 * 2 ** 20

export class HubClient {
  readonly settings: HubSettings
  readonly #options: HubClientOptions
  #answered = false

  constructor(settings: HubSettings, options: HubClientOptions = {}) {
    this.settings = settings
    this.#options = options
  }

  /**
   * Asks for an address below the endpoint, as often as it may help, until `use` has had what it wants of an answer.
   * @param headers the headers of an attempt
   * @param signal ends the request; by default the client's own
   * @throws HUB_ACCESS, HUB_NOT_FOUND, HUB_FAILED, ABORTED; what `use` throws
   */
  async request<T>(
    path: string,
    subject: Subject,
    headers: () => Record<string, string>,
    use: Use<T>,
    signal = this.#options.signal,
  ): Promise<T> {
    const { onRetry, delayMs = 1000 } = this.#options
    let failures = 0
    for (;;) {
      let advanced = false
      try {
        const marked = (answer: Answer) =>
          use(answer, () => {
            advanced = true
          })
        return await this.#attempt(path, subject, headers(), marked, signal)
      } catch (error) {
        if (signal?.aborted) throw aborted()
        if (!(error instanceof Passing)) throw error
        failures = advanced ? 1 : failures + 1
        const waitMs = error.waitMs ?? delayMs * 2 ** (failures - 1)
        if (failures > (this.#answered ? maxRepetitions : maxFirstRepetitions) || waitMs > maxWaitMs)
          throw this.#gaveUp(error, subject, failures)
        onRetry?.(`${subjectName(subject)}: ${error.message}`, Math.ceil(waitMs / 1000))
        await delay(waitMs, undefined, signal && { signal }).catch(() => {
          throw aborted()
        })
      }
    }
  }

  /** Asks for JSON. @returns the value, and the address of the page after it */
  json(path: string, subject: Subject): Promise<{ value: unknown; next: string | undefined }> {
    const headers = () => ({ accept: 'application/json' })
    return this.request(path, subject, headers, async answer => {
      const parts: Uint8Array[] = []
      let bytes = 0
      for await (const part of answer.chunks()) {
        parts.push(part)
        bytes += part.length
        if (bytes > maxJsonBytes)
          throw failed(subject, `the hub answers with more than ${maxJsonBytes} bytes of JSON`)
      }
      try {
        const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'))
        return { value, next: this.#nextPage(answer.headers) }
      } catch {
        const start = Buffer.concat(parts).subarray(0, 100).toString('utf8')
        throw failed(
          subject,
          `the hub answers with ${shown(start)}, which is no JSON. Is HF_ENDPOINT (${this.settings.endpoint}) a hub?`,
        )
      }
    })
  }

  async #attempt<T>(
    path: string,
    subject: Subject,
    headers: Record<string, string>,
    use: (answer: Answer) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const { endpoint, token, stallMs } = this.settings
    const stalled = new AbortController()
    const timer = setTimeout(
      () => stalled.abort(new Passing(`no byte came for ${stallMs / 1000} s`)),
      stallMs,
    )
    try {
      const response = await fetch(`${endpoint}${path}`, {
        // fetch() sends the token to no other host than the endpoint's where the answer redirects to one.
        headers: { 'user-agent': 'mt-llama', ...headers, ...(token && { authorization: `Bearer ${token}` }) },
        signal: AbortSignal.any([stalled.signal, ...(signal ? [signal] : [])]),
      }).catch(broken)
      this.#answered = true
      const chunks = () => bodyOf(response, () => timer.refresh())
      if (!response.ok) throw await this.#refusal(response, chunks(), subject)
      return await use({ status: response.status, headers: response.headers, chunks })
    } finally {
      clearTimeout(timer)
      // Ends the connection where `use` has not read to the end.
      stalled.abort()
    }
  }

  /** The page that a listing goes on with: always of this endpoint, though a mirror may hand on the hub's own address. */
  #nextPage(headers: Headers): string | undefined {
    const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(headers.get('link') ?? '')?.[1]
    if (target === undefined || !URL.canParse(target, this.settings.endpoint)) return undefined
    const { pathname, search } = new URL(target, this.settings.endpoint)
    return `${pathname.slice(Math.max(0, pathname.indexOf('/api/')))}${search}`
  }

  async #refusal(response: Response, body: AsyncGenerator<Uint8Array>, subject: Subject): Promise<Error> {
    const { status, headers } = response
    const said = headers.get('x-error-message') ?? (await errorField(body))
    const words = `${status}${said ? `, ${shown(said)}` : ''}`
    if (status === 408 || status === 429 || status >= 500)
      return new Passing(`the hub answers ${words}`, retryAfterMs(headers))
    const { endpoint, token } = this.settings
    const { repo } = subject
    const page = `${endpoint}/${repo.type === 'dataset' ? 'datasets/' : ''}${repo.id}`
    const where = subjectName(subject)
    const error = (code: ErrorCode, text: string) => new MtLlamaError(code, `${where}: ${text}`)
    switch (headers.get('x-error-code')) {
      case 'GatedRepo':
        return error(
          'HUB_ACCESS',
          token
            ? `the repository is gated, and this token's account has no access (${words}). Ask for it at ${page}`
            : `the repository is gated (${words}). Accept its terms at ${page}, and set HF_TOKEN to a token of that account`,
        )
      case 'RevisionNotFound':
        return error(
          'HUB_NOT_FOUND',
          `${repo.id} has no revision ${shown(repo.revision)} (${words}). ${page} shows those it has`,
        )
      case 'EntryNotFound':
        return error(
          'HUB_NOT_FOUND',
          `${repo.id} has no such file or folder (${words}). ${subject.advice ?? `${page} shows those it has`}`,
        )
    }
    const advice = subject.advice ?? `Check the name at ${page}`
    // To those without access, the hub tells nothing of a private repository, not even that there is none.
    if (status === 401)
      return error(
        'HUB_ACCESS',
        token
          ? `no such repository, or the token is not accepted (${words}). ${advice}; a new token is had at ${endpoint}/settings/tokens`
          : `no such repository, or a private one (${words}). ${advice}; for a private one, set HF_TOKEN`,
      )
    if (status === 403) return error('HUB_ACCESS', `access is refused (${words}). See ${page}`)
    if (status === 404) return error('HUB_NOT_FOUND', `not on the hub (${words}). ${advice}`)
    return error('HUB_FAILED', `the hub answers ${words}`)
  }

  #gaveUp(error: Passing, subject: Subject, failures: number): MtLlamaError {
    const { endpoint } = this.settings
    const wait = error.waitMs ?? 0
    const advice =
      wait > maxWaitMs
        ? `It asks to wait ${Math.ceil(wait / 1000)} s: run the same command again then`
        : this.#answered
          ? 'What has come is kept: run the same command again to go on'
          : `Is ${endpoint} (HF_ENDPOINT) reachable from here? With HF_HUB_OFFLINE=1 the cache alone is used`
    const times = failures > 1 ? `, ${failures} times in a row` : ''
    return failed(subject, `${error.message}${times}. ${advice}`, { cause: error })
  }
}

/** A failure that may have passed when the request is sent again. */
class Passing extends Error {
  /** The wait that the server asks for; undefined where it asks for none. */
  readonly waitMs: number | undefined

  constructor(message: string, waitMs?: number, options?: ErrorOptions) {
    super(message, options)
    this.waitMs = waitMs
  }
}

/** Makes a use of an answer fail so that the request is sent again. */
export function passing(reason: string): Error {
  return new Passing(reason)
}

export function failed(subject: Subject, text: string, options?: ErrorOptions): MtLlamaError {
  return new MtLlamaError('HUB_FAILED', `${subjectName(subject)}: ${text}`, options)
}

export function aborted(): MtLlamaError {
  return new MtLlamaError('ABORTED', 'the download was stopped; what has come is kept')
}

function subjectName({ repo, path }: Subject): string {
  return path === undefined ? repoName(repo) : `${repoName(repo)}, ${path}`
}

async function* bodyOf(response: Response, alive: () => void): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  if (!reader) return
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(broken)
      if (done) return
      alive()
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** Words what fetch() throws, which has the reason in its cause. */
function broken(error: unknown): never {
  if (error instanceof Passing) throw error
  const { cause, message } = error as Error
  const { code, message: reason } = (cause ?? {}) as NodeJS.ErrnoException
  throw new Passing(`the connection failed (${code ?? reason ?? message})`, undefined, { cause: error })
}

/** The wait that a server asks for, in ms: seconds, or a date (RFC 9110, 10.2.3); else the hub's own t=SECONDS. */
function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get('retry-after') ?? /\bt=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]
  if (text === undefined) return undefined
  const ms = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}

/** What the body of a refusal says: { error: '...' } of the hub's API. */
async function errorField(body: AsyncGenerator<Uint8Array>): Promise<string | undefined> {
  const parts: Uint8Array[] = []
  try {
    for await (const part of body) {
      parts.push(part)
      if (parts.length > 100) break
    }
    const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'))
    return isRecord(value) && typeof value.error === 'string' ? value.error : undefined
  } catch {
    return undefined
  }
}
