// Every route, in the order in which the OpenAPI document lists them.
import type { Route } from './route.ts'
import { chatCompletions } from './routes/chat-completions.ts'
import { completions } from './routes/completions.ts'
import { health } from './routes/health.ts'
import { metrics } from './routes/metrics.ts'
import { models } from './routes/models.ts'

export const routes: readonly Route[] = [completions, chatCompletions, models, health, metrics]
