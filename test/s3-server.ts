// As much of S3's HTTP interface as a fleet uses, in memory: GET with ranges, HEAD, PUT, listings in pages, uploads in parts.
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Upload {
  key: string
  parts: Map<number, Buffer>
}

type Answer = [status: number, headers?: Record<string, string | number>, body?: Buffer | string]

export class S3Server {
  /** By BUCKET/KEY. */
  readonly objects = new Map<string, Buffer>()
  /** Uploads in parts that are not complete. */
  readonly uploads = new Map<string, Upload>()
  /** Methods and paths of all requests. */
  readonly requests: string[] = []
  /** Asked before each request: whether its connection is to break in the middle of the answer. */
  isBroken: (method: string, path: string) => boolean = () => false
  /** Asked before each request: a status to refuse it by. */
  refused: (method: string, query: URLSearchParams) => number | undefined = () => undefined
  readonly #server = createServer((request, response) => this.#serve(request, response))

  /** What programs need to find this server. */
  get env(): Record<string, string> {
    const { port } = this.#server.address() as AddressInfo
    return {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_REGION: 'here',
      AWS_ACCESS_KEY_ID: 'someone',
      AWS_SECRET_ACCESS_KEY: 'secret',
    }
  }

  async start(): Promise<void> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', headers } = request
    const url = new URL(request.url!, 'http://here')
    const path = decodeURIComponent(url.pathname.slice(1))
    this.requests.push(`${method} ${path}`)
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk)
    } catch {
      // A client that was killed in the middle has sent nothing.
      return
    }
    const status = this.refused(method, url.searchParams)
    const isSigned = /^AWS4-HMAC-SHA256 Credential=someone\//.test(headers.authorization ?? '')
    const [code, answered, body = ''] = !isSigned
      ? failure(403, 'AccessDenied')
      : status !== undefined
        ? failure(status, 'Refused')
        : this.#answer(method, path, { url, headers, body: Buffer.concat(chunks) })
    const length = Buffer.byteLength(body)
    response.writeHead(code, { 'Content-Length': length, ...answered })
    if (this.isBroken(method, path)) {
      response.write(Buffer.from(body).subarray(0, length >> 1), () => response.destroy())
      return
    }
    response.end(method === 'HEAD' ? undefined : body)
  }

  #answer(
    method: string,
    path: string,
    { url, headers, body }: { url: URL; headers: IncomingMessage['headers']; body: Buffer },
  ): Answer {
    const query = url.searchParams
    const id = query.get('uploadId')
    if (id !== null) return this.#part(method, path, { id, query, body })
    if (method === 'POST' && query.has('uploads')) {
      const id = randomBytes(8).toString('hex')
      this.uploads.set(id, { key: path, parts: new Map() })
      return xml('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`)
    }
    if (method === 'PUT') {
      this.objects.set(path, body)
      return [200, { ETag: tag(body) }]
    }
    if (method === 'GET' && query.has('uploads')) return this.#listUploads(path, query)
    if (method === 'GET' && query.has('list-type')) return this.#list(path, query)
    const found = this.objects.get(path)
    if (!found) return failure(404, 'NoSuchKey')
    if (method === 'HEAD') return [200, { ETag: tag(found), 'Content-Length': found.length }]
    if (method !== 'GET') return failure(405, 'MethodNotAllowed')
    if (headers['if-match'] !== undefined && headers['if-match'] !== tag(found))
      return failure(412, 'PreconditionFailed')
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
    if (from === undefined) return [200, { ETag: tag(found) }, found]
    if (Number(from) >= found.length) return failure(416, 'InvalidRange')
    const part = found.subarray(Number(from), Number(to) + 1)
    const range = `bytes ${from}-${Number(from) + part.length - 1}/${found.length}`
    return [206, { ETag: tag(found), 'Content-Range': range }, part]
  }

  #part(
    method: string,
    path: string,
    { id, query, body }: { id: string; query: URLSearchParams; body: Buffer },
  ): Answer {
    const upload = this.uploads.get(id)
    if (upload?.key !== path) return failure(404, 'NoSuchUpload')
    if (method === 'PUT') {
      upload.parts.set(Number(query.get('partNumber')), body)
      return [200, { ETag: tag(body) }]
    }
    this.uploads.delete(id)
    if (method === 'DELETE') return [204]
    const listed = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(([, n]) => Number(n))
    const parts = listed.map(number => upload.parts.get(number)!)
    if (parts.slice(0, -1).some(part => part.length < 5 * 2 ** 20)) return failure(400, 'EntityTooSmall')
    this.objects.set(path, Buffer.concat(parts))
    return xml('CompleteMultipartUploadResult', '<ETag>"whole"</ETag>')
  }

  /** A page has three keys. */
  #list(bucket: string, query: URLSearchParams): Answer {
    const prefix = `${bucket.replace(/\/$/, '')}/${query.get('prefix') ?? ''}`
    const keys = [...this.objects.keys()]
      .filter(key => key.startsWith(prefix) && !key.slice(prefix.length).includes('/'))
      .sort()
    const start = Number(query.get('continuation-token') ?? 0)
    const isMore = start + 3 < keys.length
    const contents = keys
      .slice(start, start + 3)
      .map(key => `<Contents><Key>${key.slice(key.indexOf('/') + 1)}</Key></Contents>`)
    const next = isMore ? `<NextContinuationToken>${start + 3}</NextContinuationToken>` : ''
    return xml('ListBucketResult', `<IsTruncated>${isMore}</IsTruncated>${next}${contents.join('')}`)
  }

  #listUploads(bucket: string, query: URLSearchParams): Answer {
    const prefix = `${bucket.replace(/\/$/, '')}/${query.get('prefix') ?? ''}`
    const found = [...this.uploads]
      .filter(([, { key }]) => key.startsWith(prefix))
      .map(
        ([id, { key }]) =>
          `<Upload><Key>${key.slice(key.indexOf('/') + 1)}</Key><UploadId>${id}</UploadId></Upload>`,
      )
    return xml('ListMultipartUploadsResult', `<IsTruncated>false</IsTruncated>${found.join('')}`)
  }
}

function tag(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`
}

function xml(name: string, content: string): Answer {
  return [
    200,
    { 'Content-Type': 'application/xml' },
    `<?xml version="1.0" encoding="UTF-8"?><${name}>${content}</${name}>`,
  ]
}

function failure(status: number, code: string): Answer {
  return [
    status,
    { 'Content-Type': 'application/xml' },
    `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code} here</Message></Error>`,
  ]
}
