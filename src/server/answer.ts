// Writes answers: JSON and texts at once, streams piece by piece and no faster than the client takes them.
import type { ServerResponse } from 'node:http'
import { inSlices } from '../calls/slices.ts'
import { type HttpError, toHttpError } from './http-error.ts'
import { jsonBytes } from './json-bytes.ts'
import { sum } from './prompts.ts'
import { endAfterBody } from './rest-of-body.ts'
import type { Answer, Call, StreamAnswer } from './route.ts'

export async function send(response: ServerResponse, answer: Answer, call: Call): Promise<void> {
  if ('pieces' in answer) return sendPieces(response, answer, call)
  if ('json' in answer) {
    const pieces = await inSlices(jsonBytes(answer.json), call.signal)
    writeWhole(response, answer.status ?? 200, 'application/json', pieces)
  } else writeWhole(response, 200, answer.type, [Buffer.from(answer.text)])
  response.end()
}

export function sendError(response: ServerResponse, error: HttpError): void {
  writeError(response, error)
  response.end()
}

/** Sends the whole of an error, whose response is still to be ended. */
export function writeError(response: ServerResponse, error: HttpError): void {
  for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value)
  writeWhole(response, error.status, 'application/json', [Buffer.from(JSON.stringify(error))])
}

function writeWhole(response: ServerResponse, status: number, type: string, pieces: readonly Buffer[]): void {
  const length = sum(pieces.map(({ length }) => length))
  response.writeHead(status, { 'content-type': type, 'content-length': length })
  for (const piece of pieces) response.write(piece)
}

async function sendPieces(
  response: ServerResponse,
  { pieces, type, failed }: StreamAnswer,
  { app, request, signal, partFailed }: Call,
): Promise<void> {
  const iterator = pieces[Symbol.asyncIterator]()
  try {
    let next = await iterator.next()
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache', 'x-accel-buffering': 'no' })
    while (!next.done) {
      if (!response.write(next.value)) await drained(response, signal, app.limits.idleMs)
      next = await iterator.next()
    }
  } catch (error) {
    if (!response.headersSent || signal.aborted) throw error
    partFailed(error)
    response.write(failed(toHttpError(error).toJSON()))
  } finally {
    await iterator.return?.()
  }
  endAfterBody(request, response, app.limits)
}

/** Until the client has taken what was sent. @throws where it has gone, or has taken nothing for too long and is cut off */
function drained(response: ServerResponse, gone: AbortSignal, idleMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      response.off('drain', end)
      gone.removeEventListener('abort', end)
      if (gone.aborted || response.destroyed) reject(new Error('the client has gone'))
      else resolve()
    }
    const timer = setTimeout(() => {
      response.destroy()
      end()
    }, idleMs)
    response.on('drain', end)
    gone.addEventListener('abort', end)
    if (gone.aborted) end()
  })
}
