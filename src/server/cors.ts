// Lets web pages of one origin call the server, where it was asked to.
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Adds what browsers ask for. @returns whether the request asked for no more than that, and is answered */
export function allowOrigin(
  { method, headers }: IncomingMessage,
  response: ServerResponse,
  origin: string | undefined,
): boolean {
  if (origin === undefined) return false
  response.setHeader('access-control-allow-origin', origin)
  if (origin !== '*') response.setHeader('vary', 'origin')
  if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return false
  response
    .writeHead(204, {
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers':
        headers['access-control-request-headers'] ?? 'authorization, content-type',
      'access-control-max-age': '86400',
    })
    .end()
  return true
}
