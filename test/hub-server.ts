// A hub of our own for tests: the routes of the Hugging Face hub over files in memory, and whatever can go wrong with them.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ServedRequest {
  method: string
  /** What is asked: what is known of a repository, a page of its files, a file, or bytes of the store of large files. */
  kind: 'revision' | 'tree' | 'resolve' | 'store'
  /** The path asked for, decoded. */
  path: string
  range: string | undefined
  authorization: string | undefined
}

/** What goes wrong with a request: an answer in place of the right one, or a change of it. */
export interface Fault {
  status?: number
  headers?: Record<string, string>
  body?: string
  /** Ends the connection after so many bytes of the content. */
  cutAfter?: number
  /** Sends other bytes than the file's. */
  content?: Buffer
  /** Sends nothing more after so many bytes, and keeps the connection. */
  stallAfter?: number
  /** Sends the whole file, whatever range was asked for. */
  ignoreRange?: boolean
  /** Leaves out the length of the content. */
  noLength?: boolean
}

export interface ServedRepo {
  type: 'model' | 'dataset'
  id: string
  files: Record<string, string | Buffer>
  commit?: string
  /** Further revisions and the repositories' states that they name; 'main' is this one. */
  revisions?: Record<string, { commit: string; files: Record<string, string | Buffer> }>
  /** A token that alone may read it. */
  token?: string
}

/** Files of so many bytes are kept in the store, as LFS objects. Small, so that tests have both kinds. */
const largeBytes = 2000

export class HubServer {
  readonly requests: ServedRequest[] = []
  /** Decides what goes wrong with a request. */
  fault: (request: ServedRequest, count: number) => Fault | undefined | Promise<Fault | undefined> = () =>
    undefined
  /** Changes the entries of listings. */
  list: (entries: Record<string, unknown>[]) => Record<string, unknown>[] = entries => entries
  pageSize = 1000
  readonly repos: ServedRepo[] = []
  readonly #hub: Server
  readonly #store: Server
  readonly #objects = new Map<string, Buffer>()
  readonly #counts = new Map<string, number>()

  constructor() {
    this.#hub = createServer((request, response) => void this.#serve(request, response))
    this.#store = createServer((request, response) => void this.#serve(request, response))
  }

  async start(): Promise<void> {
    for (const server of [this.#hub, this.#store]) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#store]) {
      if (!server.listening) continue
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`
  }

  /** How often a kind of request was made, for a path that ends so. */
  count(kind: ServedRequest['kind'], end = ''): number {
    return this.requests.filter(request => request.kind === kind && request.path.endsWith(end)).length
  }

  breakConnections(): void {
    for (const server of [this.#hub, this.#store]) server.closeAllConnections()
  }

  /** The name of a large file's content in the store. */
  objectName(content: Buffer): string {
    return createHash('sha256').update(content).digest('hex')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {})
    const url = new URL(request.url!, this.endpoint)
    const path = decodeURIComponent(url.pathname)
    const kind = path.startsWith('/store/')
      ? 'store'
      : path.startsWith('/api/')
        ? url.pathname.split('/').includes('revision')
          ? 'revision'
          : 'tree'
        : 'resolve'
    const { range, authorization } = request.headers
    const served: ServedRequest = { method: request.method!, kind, path, range, authorization }
    this.requests.push(served)
    const key = `${kind} ${path}`
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    const fault = (await this.fault(served, count)) ?? {}
    if (fault.status !== undefined) {
      response.writeHead(fault.status, fault.headers).end(fault.body)
      return
    }
    if (kind === 'store')
      return void send(request, response, this.#objects.get(path.slice('/store/'.length))!, {}, fault)
    this.#serveHub(request, response, url, fault)
  }

  #serveHub(request: IncomingMessage, response: ServerResponse, url: URL, fault: Fault): void {
    const refuse = (status: number, code: string, message: string) =>
      void response.writeHead(status, { 'x-error-code': code, 'x-error-message': message }).end()
    const [, api, types, org, name, route, rev, rest] =
      /^\/(?:(api)\/)?(?:(models|datasets)\/)?([^/]+)\/([^/]+)\/(revision|tree|paths-info|resolve)\/([^/]+)(?:\/(.*))?$/.exec(
        url.pathname,
      ) ?? []
    const type = types === 'datasets' ? 'dataset' : 'model'
    const repo = this.repos.find(each => each.type === type && each.id === `${org}/${name}`)
    if (!repo) return void refuse(401, 'RepoNotFound', 'Repository not found')
    if (repo.token && request.headers.authorization !== `Bearer ${repo.token}`)
      return void refuse(
        request.headers.authorization ? 403 : 401,
        'GatedRepo',
        'Access to model is restricted',
      )
    const commit = repo.commit ?? commitOf(repo.files)
    const states = [{ revision: 'main', commit, files: repo.files }].concat(
      Object.entries(repo.revisions ?? {}).map(([revision, state]) => ({ revision, ...state })),
    )
    const revision = decodeURIComponent(rev!)
    const state = states.find(each => each.revision === revision || each.commit === revision)
    if (!state) return void refuse(404, 'RevisionNotFound', `Invalid rev id: ${revision}`)
    const path = decodeURIComponent(rest ?? '')
    const json = (value: unknown, headers = {}) =>
      void response
        .writeHead(200, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(value))
    if (api && route === 'revision') return void json({ id: repo.id, sha: state.commit })
    const files = Object.entries(state.files).map(([path, content]) => ({
      path,
      content: Buffer.from(content),
    }))
    if (api && route === 'paths-info') {
      let body = ''
      request.on('data', text => {
        body += text
      })
      request.on('end', () => {
        const { paths } = JSON.parse(body)
        json(files.filter(({ path }) => paths.includes(path)).map(entryOf))
      })
      return
    }
    if (api) return void this.#serveTree(url, path, files, json, refuse)
    const file = files.find(each => each.path === path)
    if (!file) return void refuse(404, 'EntryNotFound', 'Entry not found')
    const { oid, lfs } = entryOf(file)
    const headers = { 'x-repo-commit': state.commit, etag: `"${oid}"` }
    if (!lfs) return void send(request, response, file.content, headers, fault)
    this.#objects.set(lfs.oid, file.content)
    const port = (this.#store.address() as AddressInfo).port
    response
      .writeHead(302, {
        ...headers,
        location: `http://127.0.0.1:${port}/store/${lfs.oid}?signature=secret`,
        'x-linked-size': lfs.size,
        'x-linked-etag': `"${lfs.oid}"`,
      })
      .end()
  }

  #serveTree(
    url: URL,
    folder: string,
    files: { path: string; content: Buffer }[],
    json: (value: unknown, headers?: Record<string, string>) => void,
    refuse: (status: number, code: string, message: string) => void,
  ): void {
    const below = files.filter(({ path }) => folder === '' || path.startsWith(`${folder}/`))
    if (below.length === 0 && folder !== '')
      return void refuse(404, 'EntryNotFound', `${folder} does not exist`)
    const isRecursive = url.searchParams.get('recursive')?.toLowerCase() === 'true'
    const depth = folder === '' ? 1 : folder.split('/').length + 1
    const shown = below.filter(({ path }) => isRecursive || path.split('/').length === depth).map(entryOf)
    const folders = new Set(below.map(({ path }) => path.split('/').slice(0, depth).join('/')))
    for (const { path } of below) folders.delete(path)
    const entries = this.list([
      ...Array.from(folders, path => ({ type: 'directory', oid: '0'.repeat(40), size: 0, path })),
      ...shown,
    ])
    const start = Number(url.searchParams.get('cursor') ?? 0)
    const next = new URL(url)
    next.searchParams.set('cursor', `${start + this.pageSize}`)
    const more = start + this.pageSize < entries.length
    json(entries.slice(start, start + this.pageSize), more ? { link: `<${next.href}>; rel="next"` } : {})
  }
}

/** As the hub's tree lists a file. */
function entryOf({ path, content }: { path: string; content: Buffer }) {
  const size = content.length
  const blob = (bytes: Buffer | string) =>
    createHash('sha1')
      .update(`blob ${Buffer.byteLength(bytes)}\0`)
      .update(bytes)
      .digest('hex')
  if (size < largeBytes) return { type: 'file', path, size, oid: blob(content), lfs: undefined }
  const oid = createHash('sha256').update(content).digest('hex')
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`
  return { type: 'file', path, size, oid: blob(pointer), lfs: { oid, size, pointerSize: pointer.length } }
}

export function commitOf(files: ServedRepo['files']): string {
  const hash = createHash('sha1')
  for (const [path, content] of Object.entries(files)) hash.update(path).update('\0').update(content)
  return hash.digest('hex')
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  right: Buffer,
  headers: Record<string, string>,
  fault: Fault,
): void {
  const content = fault.content ?? right
  const start = fault.ignoreRange ? 0 : Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (start > 0 && start >= content.length) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end()
    return
  }
  const part = content.subarray(start)
  const isPart = request.headers.range !== undefined && !fault.ignoreRange
  response.writeHead(isPart ? 206 : 200, {
    'accept-ranges': 'bytes',
    etag: `"${createHash('sha256').update(right).digest('hex')}"`,
    ...headers,
    ...(!fault.noLength && { 'content-length': part.length }),
    ...(isPart && { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` }),
    ...fault.headers,
  })
  if (request.method === 'HEAD') response.end()
  else if (fault.cutAfter !== undefined)
    // The other side loses what it has not read by then, and a busy machine lets it wait.
    response.write(part.subarray(0, fault.cutAfter), () => setTimeout(() => response.destroy(), 200))
  else if (fault.stallAfter !== undefined) response.write(part.subarray(0, fault.stallAfter))
  else response.end(part)
}
