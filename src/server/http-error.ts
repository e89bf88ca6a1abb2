// Errors as OpenAI's API writes them, {"error": {message, type, param, code}}, and which of the model's errors are which.
import { type ErrorCode, MtLlamaError, type Term } from '../errors.ts'

export interface ErrorFields {
  /** The field of the request that is wrong. */
  param?: string | undefined
  /** For programs: 'context_length_exceeded'. */
  code?: string | undefined
  headers?: Readonly<Record<string, string>>
}

/** What a request is answered with where it fails. */
export class HttpError extends Error {
  readonly status: number
  readonly param: string | null
  readonly code: string | null
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, { param, code, headers }: ErrorFields = {}) {
    super(message)
    this.status = status
    this.param = param ?? null
    this.code = code ?? null
    this.headers = headers ?? {}
  }

  toJSON(): { error: { message: string; type: string; param: string | null; code: string | null } } {
    const { message, param, code } = this
    return { error: { message, type: typeOf(this.status), param, code } }
  }
}

/** The names that OpenAI's API gives to kinds of errors. */
function typeOf(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

/** Of the errors that a request can bring about; all others are the server's own. */
const statuses: Partial<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  TOKEN_OUT_OF_RANGE: 400,
  CONTEXT_LENGTH: 400,
  TOKENIZER: 400,
  CHAT_TEMPLATE: 400,
  OUT_OF_MEMORY: 503,
  DISPOSED: 503,
}

/** A field of a request that work is on, and what errors call its entries: 'input[3]' unless there is a word for all. */
export interface Subject {
  field: string
  word?: string
}

/**
 * What the client is told of an error: of one that is not its own, no more than that there was one.
 * @param subject of the work, where it has one; an option that the error names goes before
 */
export function toHttpError(error: unknown, subject?: Subject): HttpError {
  if (error instanceof HttpError) return error
  if (!(error instanceof MtLlamaError)) return new HttpError(500, 'internal error')
  const status = statuses[error.code]
  if (status === undefined) return new HttpError(500, 'internal error', { code: error.code.toLowerCase() })
  const code = error.code === 'CONTEXT_LENGTH' ? 'context_length_exceeded' : error.code.toLowerCase()
  let option: string | undefined
  // Options by the names of their fields; a way out that a request does not have is left out.
  const wordOf = (term: Term) => {
    if (term.kind === 'remedy') return ''
    if (term.kind !== 'option') return subject && (subject.word ?? `${subject.field}[${term.index}]`)
    const name = term.name === 'constraint' ? 'response_format' : snakeCase(term.name)
    option ??= name
    return name
  }
  const { message } = error.reworded(wordOf)
  return new HttpError(status, message, {
    code,
    param: status < 500 ? (option ?? subject?.field) : undefined,
  })
}

/** Work on a field of a request: an error of the client's that it ends with names the field. */
export async function onField<Result>(field: string, work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof MtLlamaError)) throw error
    const named = toHttpError(error, { field })
    // What is not the client's is logged as it is.
    throw named.status < 500 ? named : error
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
