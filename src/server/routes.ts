// Every route, in the order in which the OpenAPI document lists them.
import type { Route } from './route.ts'
import { chatCompletions } from './routes/chat-completions.ts'
import { classify } from './routes/classify.ts'
import { completions } from './routes/completions.ts'
import { detokenize } from './routes/detokenize.ts'
import { embeddings } from './routes/embeddings.ts'
import { generativeScoring } from './routes/generative-scoring.ts'
import { health } from './routes/health.ts'
import { loglikelihood } from './routes/loglikelihood.ts'
import { metrics } from './routes/metrics.ts'
import { modelByName, models } from './routes/models.ts'
import { rerank } from './routes/rerank.ts'
import { score } from './routes/score.ts'
import { tokenize } from './routes/tokenize.ts'
import { tokenizerInfo } from './routes/tokenizer-info.ts'

export const routes: readonly Route[] = [
  completions,
  chatCompletions,
  loglikelihood,
  embeddings,
  classify,
  rerank,
  score,
  generativeScoring,
  tokenize,
  detokenize,
  tokenizerInfo,
  models,
  modelByName,
  health,
  metrics,
]
