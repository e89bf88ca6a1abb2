// The routes as an OpenAPI 3.1 document: its schemas are those that requests are checked by.
import type { Lines, Route } from './route.ts'
import { lastPart } from './router.ts'
import { errorBody } from './schemas.ts'

export function openApi(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes)
    for (const path of [route.path, ...(route.aliases ?? [])]) {
      paths[path] ??= {}
      paths[path][route.method.toLowerCase()] = operation(route, path)
    }
  return {
    openapi: '3.1.0',
    info: { title: 'mt-llama', version: '1' },
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: errorBody },
    },
    paths,
  }
}

const nameParameter = { name: 'name', in: 'path', required: true, schema: { type: 'string' } }

function operation(
  { method, summary, body, answer, types = [], isOpen, lines }: Route,
  path: string,
): object {
  const content = {
    ...(answer && { 'application/json': { schema: answer } }),
    ...Object.fromEntries(types.map(type => [type, { schema: { type: 'string' } }])),
  }
  const accepted = {
    'application/json': { schema: body },
    ...(lines && { 'application/x-ndjson': { schema: { type: 'string' } } }),
  }
  return {
    operationId: `${method.toLowerCase()}${path.replace(/\W+(\w?)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary,
    ...(!isOpen && { security: [{ key: [] }, {}] }),
    parameters: [...(path.endsWith(lastPart) ? [nameParameter] : []), ...(lines ? parametersOf(lines) : [])],
    ...(body && { requestBody: { required: true, content: accepted } }),
    responses: {
      200: { description: 'OK', content },
      default: {
        description: 'An error',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  }
}

/** The options of a body of lines; a JSON body has them as fields. */
function parametersOf({ query }: Lines): object[] {
  return Object.entries(query.properties).map(([name, schema]) => ({
    ...{ name, in: 'query', required: false, schema },
    description: 'For a body of lines; a JSON body has this field',
  }))
}
