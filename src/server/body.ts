// Reads the body of a request: JSON as a whole, within a limit of bytes and time.
import type { IncomingMessage } from 'node:http'
import { inSlices } from '../calls/slices.ts'
import { HttpError } from './http-error.ts'
import type { Call } from './route.ts'
import { parseSliced } from './sliced-json.ts'

/** @throws 413, 415, 408, 429, 400 for what is no JSON */
export async function readJson(call: Call): Promise<unknown> {
  const { request } = call
  const type = mediaType(request)
  if (type !== 'application/json')
    throw new HttpError(415, `the content type is ${type || 'missing'}; expected application/json`)
  return parseJson(await readBytes(call), 'the body', call)
}

/** @param what the text is, for messages. @throws 400 */
export async function parseJson(
  bytes: Buffer,
  what: string,
  { signal }: Pick<Call, 'signal'>,
): Promise<unknown> {
  try {
    return await inSlices(parseSliced(bytes), signal)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    // The parser's message shows a part of the text, and where it stands in some versions alone.
    throw new HttpError(400, `${what} is no JSON`, { code: 'invalid_json' })
  }
}

/** 'application/json', in lower case and without parameters; '' where there is none. */
export function mediaType(request: IncomingMessage): string {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';')
  return type.trim().toLowerCase()
}

function readBytes({ request, app, holdBody }: Call): Promise<Buffer> {
  const { bodyBytes, idleMs } = app.limits
  const tooLarge = () => new HttpError(413, `the body is larger than ${bodyBytes} bytes`)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const timer = setTimeout(() => end(new HttpError(408, `the body was not there in ${idleMs} ms`)), idleMs)
    const end = (error?: Error) => {
      clearTimeout(timer)
      request.off('data', take)
      if (error) reject(error)
      else resolve(Buffer.concat(chunks))
    }
    const take = (chunk: Buffer) => {
      length += chunk.length
      if (length > bodyBytes) return end(tooLarge())
      try {
        holdBody(chunk.length)
        chunks.push(chunk)
      } catch (error) {
        end(error as HttpError)
      }
    }
    if (Number(request.headers['content-length']) > bodyBytes) return end(tooLarge())
    request.on('data', take)
    request.on('end', () => end())
    request.on('error', end)
    request.on('close', () => end(new Error('the client has gone')))
  })
}
