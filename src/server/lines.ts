// Bodies of lines of JSON, read as they come.
import type { IncomingMessage } from 'node:http'
import { mediaType } from './body.ts'
import { HttpError } from './http-error.ts'
import type { Limits } from './route.ts'

export function isLines(request: IncomingMessage): boolean {
  return mediaType(request) === 'application/x-ndjson'
}

/** The lines of a body that are not empty. @throws 413 for a line over the limit of a body, 408 where none comes for too long */
export async function* readLines(
  request: IncomingMessage,
  { bodyBytes, idleMs }: Limits,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  const late = () => request.destroy(new HttpError(408, `no line came in ${idleMs} ms`))
  let timer = setTimeout(late, idleMs)
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      clearTimeout(timer)
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop()!
      if (rest.length > bodyBytes) throw new HttpError(413, `a line is longer than ${bodyBytes} bytes`)
      for (const line of lines) if (line.trim() !== '') yield line
      timer = setTimeout(late, idleMs)
    }
    const last = rest + decoder.decode()
    if (last.trim() !== '') yield last
  } finally {
    clearTimeout(timer)
  }
}
