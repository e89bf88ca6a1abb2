// Answers to connections that send what is no HTTP. Nothing of Node's is there to answer by: no request has come of it.
import { maxHeaderSize, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { HttpError } from './http-error.ts'

/**
 * What an error of the parser, or of the clock beside it, is answered with; undefined where the connection itself has failed.
 * @param headerMs time in which a header has to be there
 */
export function malformed({ code = '' }: NodeJS.ErrnoException, headerMs: number): HttpError | undefined {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new HttpError(431, `the header is larger than ${maxHeaderSize} bytes`)
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW')
    return new HttpError(413, 'the extensions of a chunk are too long')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new HttpError(408, `the header was not there in ${headerMs} ms`)
  if (code.startsWith('HPE_')) return new HttpError(400, 'what was sent is no HTTP', { code: 'invalid_http' })
  return undefined
}

/**
 * Answers, and closes the connection once the client does so too: one that is closed while it sends would lose the answer.
 * @param lingerMs time that the client has for that
 */
export function answerRaw(socket: Socket, error: HttpError, id: string, lingerMs: number): void {
  const body = JSON.stringify(error)
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    ...['connection: close', 'content-type: application/json', `content-length: ${Buffer.byteLength(body)}`],
    `x-request-id: ${id}`,
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  const late = setTimeout(() => socket.destroy(), lingerMs)
  socket.on('close', () => clearTimeout(late))
}
