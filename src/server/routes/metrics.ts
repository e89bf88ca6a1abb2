// GET /metrics, for Prometheus.
import { get } from '../route.ts'

export const metrics = get({
  path: '/metrics',
  summary: 'Counts of requests, tokens and packs, for Prometheus',
  types: ['text/plain'],
  handle: async (_, { app }) => {
    const { registry } = app.metrics
    return { text: await registry.metrics(), type: registry.contentType }
  },
})
