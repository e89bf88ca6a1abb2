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
  const chunks: AsyncIterator<Buffer> = request[Symbol.asyncIterator]()
  let rest = ''
  for (;;) {
    const { done, value } = await inTime(chunks.next(), idleMs)
    // What was read of a line is not searched again: it may be long.
    const lines = (done ? decoder.decode() : decoder.decode(value, { stream: true })).split('\n')
    lines[0] = rest + lines[0]!
    rest = done ? '' : lines.pop()!
    for (const line of lines) {
      checkLength(line, bodyBytes)
      if (line.trim() !== '') yield line
    }
    if (done) return
    checkLength(rest, bodyBytes)
  }
}

function checkLength({ length }: string, bodyBytes: number): void {
  if (length > bodyBytes) throw new HttpError(413, `a line is longer than ${bodyBytes} bytes`)
}

/** @throws 408. The request stays open, so that its answer can say so. */
async function inTime<Result>(next: Promise<Result>, idleMs: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new HttpError(408, `no line came in ${idleMs} ms`)), idleMs)
  })
  try {
    return await Promise.race([next, late])
  } finally {
    clearTimeout(timer)
  }
}
