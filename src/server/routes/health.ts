// GET /health, for who decides where requests go: 503 while the server drains.
import { get } from '../route.ts'
import { object, Type } from '../schema.ts'

export const health = get({
  path: '/health',
  summary: 'Whether the server takes requests',
  isOpen: true,
  answer: object({ status: Type.Union([Type.Literal('ok'), Type.Literal('draining')]) }),
  handle: (_, { app }) =>
    app.isDraining() ? { status: 503, json: { status: 'draining' } } : { json: { status: 'ok' } },
})
