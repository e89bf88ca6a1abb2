// Finds the route of a request by its path and method.
import { HttpError } from './http-error.ts'
import { queryReader } from './query.ts'
import type { Route } from './route.ts'
import { checker } from './schema.ts'

/** Stands for any last part of a path. */
export const lastPart = '{name}'

export interface ServedRoute extends Route {
  check: (body: unknown) => unknown
  /** Reads the options of a body of lines. @throws 400 */
  readOptions: (query: URLSearchParams) => unknown
}

export class Router {
  private readonly paths = new Map<string, Map<string, ServedRoute>>()

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const served = {
        ...route,
        check: route.body ? checker(route.body) : () => undefined,
        readOptions: route.lines ? queryReader(route.lines.query) : () => undefined,
      }
      for (const path of [route.path, ...(route.aliases ?? [])]) {
        const methods = this.paths.get(path) ?? new Map<string, ServedRoute>()
        methods.set(route.method, served)
        this.paths.set(path, methods)
      }
    }
  }

  /** @throws 404, 405 */
  find(method: string, path: string): ServedRoute {
    const methods = this.paths.get(path) ?? this.paths.get(withLastPart(path))
    if (!methods) throw new HttpError(404, 'no such path; GET /openapi.json lists those that there are')
    const route = methods.get(method === 'HEAD' ? 'GET' : method)
    if (route) return route
    const allow = [...methods.keys()].join(', ')
    throw new HttpError(405, `${path} takes ${allow}`, { headers: { allow } })
  }
}

/** The path with any last part, if it has one. A regular expression would search a long path from each of its characters. */
function withLastPart(path: string): string {
  return path.endsWith('/') ? path : path.slice(0, path.lastIndexOf('/') + 1) + lastPart
}
